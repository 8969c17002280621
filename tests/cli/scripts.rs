//! Configurations with scripts, checked: mistakes in a script are shown in the script.

use std::fs;

use super::process::gatewright_in;

const CONFIG: &str = "version: 1
listeners: { web: { bind: 8080 } }
upstreams:
  shop: { endpoints: [\"10.0.0.1:80\"] }
  users: { endpoints: [\"10.0.0.2:80\"] }
secrets: { key: { file: key.txt }, spare: { file: key.txt } }
policies:
  login:
    lua: { file: policies/login.lua, lib: [lib], with: { key: { secret: key } } }
    may: { upstreams: [users], secrets: [spare] }
  stamp: { lua: { inline: \"function response(exchange) exchange.response.headers.server = nil end\" } }
routes: [{ to: shop, use: [login, stamp] }]
";

fn folder(login: &str, module: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["policies", "lib"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let files =
        [("gatewright.yaml", CONFIG), ("key.txt", "hush"), ("policies/login.lua", login), ("lib/a.lua", module)];
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn a_script_passes_the_check() {
    let dir = folder("local a = require('a')\nfunction request(exchange) return a(exchange) end\n", "return print\n");
    let done = gatewright_in(dir.path(), &["check"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
}

#[test]
fn a_mistake_in_a_script_is_shown_where_it_is() {
    let dir = folder("local a = require('b')\n", "");
    let done = gatewright_in(dir.path(), &["check"]);
    assert_eq!(done.code, 1);
    for part in ["there is no module `b`", "policies/login.lua:1:19", "local a = require('b')", "`lib/b.lua`"] {
        assert!(done.out.contains(part), "{part}\n{}", done.out);
    }
    // What only compiling finds.
    let dir = folder("local a = require('a')\n", "return 1\nlocal = 2\n");
    let done = gatewright_in(dir.path(), &["check"]);
    assert_eq!(done.code, 1);
    assert!(done.out.contains("lib/a.lua:") && done.out.contains("E0"), "{}", done.out);
}
