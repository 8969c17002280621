//! The real Envoy, if there is one: a listener for each script.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::Origins;
use super::script::Script;
use crate::harness::{Client, client, eventually};

/// A running Envoy; it ends when dropped.
pub struct Peer {
    process: Child,
    folder: tempfile::TempDir,
    listeners: Value,
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("envoy")).find(|program| program.is_file())
}

// === impl Peer ===

impl Peer {
    /// `None`: there is no Envoy here.
    pub fn start(scripts: &[Script], origins: &Origins) -> Option<Peer> {
        let program = program()?;
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("envoy.json");
        std::fs::write(&config, configuration(scripts, origins).to_string()).expect("its configuration");
        let (admin, log) =
            (folder.path().join("admin"), std::fs::File::create(folder.path().join("log")).expect("a log"));
        let process = Command::new(program)
            .arg("-c")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin)
            .args(["--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart", "-l", "error"])
            .args(["--component-log-level", "lua:info", "--log-format", "%v"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy");
        let mut peer = Peer { process, folder, listeners: Value::Null };
        let address = || -> Option<SocketAddr> { std::fs::read_to_string(&admin).ok()?.trim().parse().ok() };
        eventually("Envoy's admin address", || address().is_some_and(Client::is_listening));
        let admin = address().expect("an address");
        eventually("Envoy's listeners", || {
            let told = client::get(admin, "/listeners?format=json");
            peer.listeners = serde_json::from_slice(&told.body).unwrap_or_default();
            peer.listeners["listener_statuses"].as_array().is_some_and(|known| known.len() == scripts.len())
                && client::get(admin, "/ready").status == 200
        });
        Some(peer)
    }

    pub fn addr_of(&self, listener: &str) -> SocketAddr {
        let known = self.listeners["listener_statuses"].as_array().expect("listeners");
        let found = known.iter().find(|one| one["name"] == listener).expect("its listener");
        let port = &found["local_address"]["socket_address"]["port_value"];
        SocketAddr::from(([127, 0, 0, 1], port.as_u64().expect("a port") as u16))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _over = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            println!("what Envoy said:\n{log}");
        }
    }
}

fn configuration(scripts: &[Script], origins: &Origins) -> Value {
    let listeners: Vec<Value> = scripts.iter().map(|script| listener(script, origins)).collect();
    let clusters: Vec<Value> = origins.addresses().iter().map(|(name, address)| cluster(name, address)).collect();
    json!({
        "admin": { "address": local(0) },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

fn local(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

fn cluster(name: &str, address: &str) -> Value {
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let host = json!({ "endpoint": { "address": local(port) } });
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
    });
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [host] }] },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
    })
}

/// What a listener does with TLS.
fn transport(origins: &Origins) -> Value {
    let path = |name: &str| json!({ "filename": origins.folder.path().join(name) });
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_certificates": [{ "certificate_chain": path("server.pem"), "private_key": path("server.key") }],
                "validation_context": { "trusted_ca": path("ca.pem") },
            },
        },
    })
}

fn listener(script: &Script, origins: &Origins) -> Value {
    let given = json!({ "tier": "gold", "limit": 5, "nested": { "a": "b" } });
    let metadata = json!({ "filter_metadata": { "envoy.filters.http.lua": given } });
    let own = json!({
        "envoy.filters.http.lua": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute",
            "filter_context": given,
        },
    });
    let route = |name: &str, prefix: &str, cluster: &str| {
        json!({
            "name": name, "match": { "prefix": prefix }, "route": { "cluster": cluster },
            "metadata": metadata, "typed_per_filter_config": own,
        })
    };
    let lua = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": { "filename": script.path },
    });
    let router = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true,
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": script.name,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": { "enable_trailers": true },
        "http_filters": [
            { "name": "envoy.filters.http.lua", "typed_config": lua },
            { "name": "envoy.filters.http.router", "typed_config": router },
        ],
        "route_config": { "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [route("other", "/other/", "other"), route("absent", "/absent/", "absent"), route("r", "/", "origin")],
        }] },
    });
    let mut chain = json!({ "filters": [{ "name": "hcm", "typed_config": manager }] });
    if script.tls.is_some() {
        chain["transport_socket"] = transport(origins);
    }
    let inspector = json!({
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" },
    });
    let inspectors = if script.tls.is_some() { vec![inspector] } else { Vec::new() };
    json!({ "name": script.name, "address": local(0), "filter_chains": [chain], "listener_filters": inspectors })
}
