//! `gatewright proxy`: the configuration that one listener and one upstream stand for.

use crate::wire::Address;

/// The configuration as text, or what is wrong with an address.
pub fn text(from: &str, to: &str) -> Result<String, String> {
    let bind = bind(from).map_err(|why| format!("--from {from}: {why}"))?;
    let endpoint = endpoint(to).map_err(|why| format!("--to {to}: {why}"))?;
    Ok(format!(
        "version: 1\n\
         listeners:\n  web: {{ bind: {bind} }}\n\
         upstreams:\n  origin: {{ endpoints: [{endpoint}] }}\n\
         routes:\n  - {{ name: all, match: {{ path: /* }}, to: origin }}\n"
    ))
}

/// `:8080` and `8080` stand for every address.
fn bind(from: &str) -> Result<String, String> {
    let port = from.strip_prefix(':').unwrap_or(from);
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return match port.parse::<u16>() {
            Ok(0) | Err(_) => Err("the port must be a number from 1 to 65535".into()),
            Ok(port) => Ok(port.to_string()),
        };
    }
    match Address::parse(from).map_err(|why| why.to_string())? {
        address @ (Address::Ip(_) | Address::Unix(_)) => quoted(&address),
        Address::Name { host, port } if &*host == "localhost" => Ok(format!("'127.0.0.1:{port}'")),
        _ => Err("expected an IP address and a port, a port alone, or unix:/path".into()),
    }
}

/// `:3000` stands for this machine; `http://` is taken away.
fn endpoint(to: &str) -> Result<String, String> {
    if to.starts_with("https://") {
        return Err("TLS to upstreams is not supported yet".into());
    }
    let plain = to.strip_prefix("http://");
    let to = plain.map_or(to, |rest| rest.strip_suffix('/').unwrap_or(rest));
    if to.contains('/') && !to.starts_with("unix:") {
        return Err("expected an address without a path".into());
    }
    let to = match to.strip_prefix(':') {
        Some(port) if !port.starts_with(':') => format!("127.0.0.1:{port}"),
        _ if plain.is_some() && Address::parse(to).is_err() => format!("{to}:80"),
        _ => to.to_owned(),
    };
    quoted(&Address::parse(&to).map_err(|why| why.to_string())?)
}

/// In single quotes nothing is expanded.
fn quoted(address: &Address) -> Result<String, String> {
    let text = address.to_string();
    if text.chars().any(char::is_control) {
        return Err("an address cannot hold control characters".into());
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_a_configuration() {
        let expected = "version: 1\nlisteners:\n  web: { bind: 8080 }\nupstreams:\n  origin: { endpoints: \
                        ['127.0.0.1:3000'] }\nroutes:\n  - { name: all, match: { path: /* }, to: origin }\n";
        assert_eq!(text(":8080", ":3000").unwrap(), expected);
        let binds =
            [("8080", "8080"), ("localhost:1", "'127.0.0.1:1'"), ("[::]:1", "'[::]:1'"), ("unix:/a'b", "'unix:/a''b'")];
        for (from, expected) in binds {
            assert_eq!(bind(from).unwrap(), expected);
        }
        let endpoints = [
            ("http://app.test", "'app.test:80'"),
            ("http://app.test:81/", "'app.test:81'"),
            ("[::1]:9", "'[::1]:9'"),
            ("unix:/run/$x", "'unix:/run/$x'"),
        ];
        for (to, expected) in endpoints {
            assert_eq!(endpoint(to).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (from, to) in [
            ("0", ":1"),
            (":99999", ":1"),
            ("app.test:80", ":1"),
            (":1", "app"),
            (":1", "https://a:443"),
            (":1", "a:1/x"),
            (":1", "unix:x"),
        ] {
            let why = text(from, to).unwrap_err();
            assert!(why.starts_with("--"), "{why}");
        }
    }
}
