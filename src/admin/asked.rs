//! What is asked of the socket: method, path and query, as an act or a question.

use std::time::Duration;

use crate::config::units::Period;
use crate::control::steer::Action;
use crate::control::switches::Position;
use crate::control::told::Sides;

/// A request that only the socket may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Drain,
    Act(Action),
    History,
    Policies,
    Diff(Sides),
}

/// Whether some method is for this path.
pub(super) fn is_known(path: &str) -> bool {
    ["GET", "POST"].iter().any(|method| Asked::read(method, path, None).is_some())
}

// === impl Asked ===

impl Asked {
    /// `None`: no such method and path. An error: its query is wrong.
    pub(super) fn read(method: &str, path: &str, query: Option<&str>) -> Option<Result<Self, String>> {
        let query = Query(query.unwrap_or_default());
        Some(match (method, path) {
            ("POST", "/drain") => Ok(Self::Drain),
            ("POST", "/reload") => Ok(Self::Act(Action::Reload)),
            ("POST", "/unpin") => Ok(Self::Act(Action::Unpin)),
            ("POST", "/rollback") => query.number("to").map(|to| Self::Act(Action::Rollback(to))),
            ("POST", "/policies") => query.switch().map(Self::Act),
            ("GET", "/history") => Ok(Self::History),
            ("GET", "/policies") => Ok(Self::Policies),
            ("GET", "/diff") => query.sides().map(Self::Diff),
            _ => return None,
        })
    }
}

struct Query<'a>(&'a str);

// === impl Query ===

impl Query<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| crate::policy::query::text(value))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let number = |text: String| text.parse().map_err(|_| format!("`{name}` is the number of a generation"));
        self.get(name).map(number).transpose()
    }

    fn sides(&self) -> Result<Sides, String> {
        match (self.number("from"), self.get("to").as_deref()) {
            (Ok(None), Some("disk")) => Ok(Sides::Disk),
            (Ok(None), None) => Ok(Sides::Last),
            (Ok(Some(from)), None) => Ok(Sides::From(from)),
            (Ok(Some(from)), Some(_)) => self.number("to").map(|to| to.map_or(Sides::Last, |to| Sides::Both(from, to))),
            (Ok(None), Some(_)) => Err("`to` goes with `from`, or is `disk`".into()),
            (Err(why), _) => Err(why),
        }
    }

    fn switch(&self) -> Result<Action, String> {
        let policy = self.get("name").ok_or("`name` is the policy")?;
        let to = self.get("switch").and_then(|word| Position::parse(&word));
        let to = to.ok_or("`switch` is off, observe or on")?;
        let period = |text: String| Period::parse(&text).map(|period| period.0).map_err(|why| format!("`for`: {why}"));
        let lasting: Option<Duration> = self.get("for").map(period).transpose()?;
        if to == Position::On && lasting.is_some() {
            return Err("`for` goes with off and observe".into());
        }
        if lasting == Some(Duration::ZERO) {
            return Err("`for`: it would be over at once".into());
        }
        Ok(Action::Switch { policy, to, lasting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, target: &str) -> Option<Result<Asked, String>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Asked::read(method, path, Some(query))
    }

    #[test]
    fn every_act_and_question_is_read() {
        let act = |target: &str| read("POST", target).unwrap();
        let look = |target: &str| read("GET", target).unwrap();
        assert_eq!(act("/rollback"), Ok(Asked::Act(Action::Rollback(None))));
        assert_eq!(act("/rollback?to=3"), Ok(Asked::Act(Action::Rollback(Some(3)))));
        assert!(act("/rollback?to=x").is_err());
        assert_eq!(look("/diff"), Ok(Asked::Diff(Sides::Last)));
        assert_eq!(look("/diff?from=3"), Ok(Asked::Diff(Sides::From(3))));
        assert_eq!(look("/diff?from=3&to=5"), Ok(Asked::Diff(Sides::Both(3, 5))));
        assert_eq!(look("/diff?to=disk"), Ok(Asked::Diff(Sides::Disk)));
        assert!(look("/diff?to=5").is_err() && look("/diff?from=1&to=x").is_err());
        let lasting = Some(Duration::from_secs(600));
        let off = Action::Switch { policy: "a b".into(), to: Position::Off, lasting };
        assert_eq!(act("/policies?name=a%20b&switch=off&for=10m"), Ok(Asked::Act(off)));
        for wrong in ["", "name=a", "name=a&switch=up", "name=a&switch=on&for=1s", "name=a&switch=off&for=0s"] {
            assert!(act(&format!("/policies?{wrong}")).is_err(), "{wrong}");
        }
        assert_eq!(read("GET", "/reload"), None);
        assert!(is_known("/reload") && is_known("/diff") && !is_known("/nothing"));
    }
}
