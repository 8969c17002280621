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

#[test]
fn grants_are_set_against_what_is_used() {
    let login = "local a = require('a')
function request(exchange)
  exchange:fetch('users')
  exchange:fetch('shop')
  exchange.upstream = 'shop'
  return fetch(exchange.mine.where)
end
";
    let dir = folder(login, "return function(exchange) exchange:fetch('userz') end\n");
    let done = gatewright_in(dir.path(), &["check", "--grants"]);
    let expected = "gatewright.yaml is valid: 1 listener, 1 route, 2 upstreams

login: policies/login.lua, lib/a.lua
  upstream   ?      a name that is made at run time, at policies/login.lua:6
  upstream   shop   NOT GRANTED, used at policies/login.lua:4, policies/login.lua:5
  upstream   users  granted, used at policies/login.lua:3
  upstream   userz  NOT THERE: there is no such upstream; at lib/a.lua:1
  secret     key    granted, used at gatewright.yaml:9
  secret     spare  granted, and named nowhere
  reads      every field
  writes     every field
  takes      10ms of CPU and 10s of waiting a call, 8 requests, bodies of 1MiB, 20 lines; 32MiB and 50% of a worker

stamp: stamp (inline)
  reads      every field
  writes     every field
  takes      10ms of CPU and 10s of waiting a call, 8 requests, bodies of 1MiB, 20 lines; 32MiB and 50% of a worker
";
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.ends_with(expected), "{}", done.out);
    assert_eq!(gatewright_in(dir.path(), &["check", "--grants", "--format", "json"]).code, 2);
}
