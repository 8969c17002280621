//! Who has asked, as the kernel says of the other side of a unix socket.

use crate::listen::Client;
use crate::wire::Http;

/// `uid 1000 (anna), gid 1000, pid 4711`; `None`: the kernel does not say.
pub(super) fn asks(client: &Client) -> Option<String> {
    let Http::One(http) = &client.http else { return None };
    let (uid, gid, pid) = http.wire().peer()?;
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name(&accounts, uid).map(|name| format!(" ({name})")).unwrap_or_default();
    let pid = pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    Some(format!("uid {uid}{name}, gid {gid}{pid}"))
}

/// `root:x:0:0:root:/root:/bin/sh`: the third field is the number.
fn name(accounts: &str, uid: u32) -> Option<&str> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_number_has_a_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(name(accounts, 0), Some("root"));
        assert_eq!(name(accounts, 1000), Some("anna"));
        assert_eq!(name(accounts, 7), None);
    }
}
