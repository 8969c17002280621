//! Open files: the limit raised as far as it goes, and a warning where that is not far enough.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::OPEN_FILES_MIN;

/// Raises the soft limit to the hard one; returns what holds now, `None`: no limit.
#[must_use]
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(why) => {
            tracing::debug!(%why, "the limit on open files cannot be raised");
            limit.current
        }
    }
}

/// What is wrong with that limit, and how to mend it. `connections`: the sum of what listeners were told to admit.
#[must_use]
pub fn warning(limit: Option<u64>, connections: u64) -> Option<String> {
    let limit = limit?;
    let mend = "raise it with `ulimit -Hn`, LimitNOFILE= in the systemd unit, or --ulimit nofile= of the container";
    if limit < OPEN_FILES_MIN {
        // Few for any proxy, whatever the plan says.
        return Some(format!("only {limit} files may be open, which is very few for a proxy; {mend}"));
    }
    (limit < connections).then(|| {
        format!(
            "the listeners are to admit {connections} connections but only {limit} files may be open, \
             and each exchange needs two; {mend}, or lower `limits: {{ connections }}` of the listeners"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_and_judged() {
        let now = raise();
        assert_eq!(now, getrlimit(Resource::Nofile).current);
        assert_eq!(warning(None, 1 << 40), None);
        assert!(warning(Some(1023), 10).unwrap().contains("1023"));
        assert_eq!(warning(Some(1024), 0), None, "nobody asked for more");
        assert!(warning(Some(65_535), 65_536).unwrap().contains("65535 files"));
        assert_eq!(warning(Some(1 << 20), 65_536), None);
    }
}
