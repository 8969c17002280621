//! DNS names of upstreams: resolved before the first commit, then again whenever an answer's time to live is over.
//!
//! `/etc/hosts` and `localhost` are answered first. IPv4 addresses are preferred and IPv6 used where there are no
//! others: two families of one machine are not two endpoints. A name that fails keeps its last addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::task::JoinSet;

use super::directory::{Directory, DnsAnswer};
use crate::clock;
use crate::config::plan;
use crate::limits::{
    RESOLVE_ADDRESSES_MAX, RESOLVE_BACKOFF_MAX_MS, RESOLVE_BACKOFF_MIN_MS, RESOLVE_FIRST_MS, RESOLVE_TIMEOUT_MS,
    RESOLVE_TTL_MAX_MS, RESOLVE_TTL_MIN_MS,
};
use crate::wire::Address;

/// Resolves the names that are not known yet, before a commit; returns those that could not be, with the reason. Waits
/// for a bounded time. Runs on the control thread, where [`clock::drive`] runs too.
pub async fn resolve_once(
    directory: &Arc<Directory>,
    upstreams: &[plan::Upstream],
    nameservers: &[SocketAddr],
) -> Vec<(Arc<str>, String)> {
    let mut unknown: BTreeSet<Arc<str>> = hosts(upstreams);
    unknown.retain(|host| directory.answer(host).is_none());
    if unknown.is_empty() {
        return Vec::new();
    }
    let resolver = match resolver(nameservers) {
        Ok(resolver) => Arc::new(resolver),
        Err(why) => return unknown.into_iter().map(|host| (host, why.clone())).collect(),
    };
    let mut tasks = JoinSet::new();
    for host in &unknown {
        let (resolver, host) = (resolver.clone(), host.clone());
        tasks.spawn(async move { (ask(&resolver, &host).await, host) });
    }
    let mut failed = Vec::new();
    clock::refresh();
    let mut limit = clock::sleep(Duration::from_millis(RESOLVE_FIRST_MS));
    loop {
        tokio::select! {
            biased;
            next = tasks.join_next() => match next {
                Some(Ok((Ok(answer), host))) => {
                    unknown.remove(&host);
                    directory.answered(&host, answer);
                }
                Some(Ok((Err(why), host))) => {
                    unknown.remove(&host);
                    failed.push((host, why));
                }
                Some(Err(_)) => {}
                None => break,
            },
            () = &mut limit => break,
        }
    }
    let late = format!("no answer within {RESOLVE_FIRST_MS} ms");
    failed.extend(unknown.into_iter().map(|host| (host, late.clone())));
    failed
}

/// Asks again for every name of the plan whenever its answer expires, until `stop` is ready or this is dropped.
pub async fn keep_resolving(
    directory: Arc<Directory>,
    upstreams: &[plan::Upstream],
    nameservers: &[SocketAddr],
    stop: impl Future<Output = ()>,
) {
    let mut tasks = JoinSet::new();
    for host in hosts(upstreams) {
        tasks.spawn(keep(directory.clone(), host, nameservers.to_vec()));
    }
    stop.await;
}

/// Keeps one name.
async fn keep(directory: Arc<Directory>, host: Arc<str>, nameservers: Vec<SocketAddr>) {
    let mut backoff = Duration::ZERO;
    if let Some(known) = directory.answer(&host) {
        wait(known.due.saturating_duration_since(clock::precise())).await;
    }
    loop {
        // A new resolver each time: /etc/hosts and /etc/resolv.conf may have changed.
        let said = match resolver(&nameservers) {
            Ok(resolver) => ask(&resolver, &host).await,
            Err(why) => Err(why),
        };
        match said {
            Ok(answer) => {
                if backoff > Duration::ZERO {
                    tracing::info!(%host, "name resolved again");
                }
                backoff = Duration::ZERO;
                let due = answer.due;
                directory.answered(&host, answer);
                wait(due.saturating_duration_since(clock::precise())).await;
            }
            Err(why) => {
                let kept = directory.answer(&host).map_or(0, |answer| answer.addresses.len());
                if backoff == Duration::ZERO {
                    tracing::warn!(%host, %why, kept, "name cannot be resolved, its last addresses stay");
                }
                let next = (2 * backoff).max(Duration::from_millis(RESOLVE_BACKOFF_MIN_MS));
                backoff = next.min(Duration::from_millis(RESOLVE_BACKOFF_MAX_MS));
                wait(backoff.mul_f32(0.75 + 0.25 * fastrand::f32())).await;
            }
        }
    }
}

async fn wait(duration: Duration) {
    clock::refresh();
    clock::sleep(duration).await;
}

fn hosts(upstreams: &[plan::Upstream]) -> BTreeSet<Arc<str>> {
    let endpoints = upstreams.iter().flat_map(|upstream| &upstream.endpoints);
    let hosts = endpoints.filter_map(|endpoint| match &endpoint.address {
        Address::Name { host, .. } => Some(host.clone()),
        _ => None,
    });
    hosts.collect()
}

/// A resolver that asks `nameservers`, or the system's if there are none.
fn resolver(nameservers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let mut builder = if nameservers.is_empty() {
        TokioResolver::builder_tokio().unwrap_or_else(|why| {
            // Hosts file and localhost work without any.
            tracing::debug!(%why, "/etc/resolv.conf is not usable");
            let none = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(none, TokioRuntimeProvider::default())
        })
    } else {
        let servers = nameservers.iter().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().timeout = Duration::from_millis(RESOLVE_TIMEOUT_MS);
        builder
    };
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    options.cache_size = 0;
    builder.build().map_err(|why| why.to_string())
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].into_iter().map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.collect())
}

async fn ask(resolver: &TokioResolver, host: &str) -> Result<DnsAnswer, String> {
    let found = resolver.lookup_ip(host).await.map_err(|why| why.to_string())?;
    let mut addresses: Vec<IpAddr> = found.iter().collect();
    if addresses.is_empty() {
        return Err("the answer has no address".into());
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(RESOLVE_ADDRESSES_MAX);
    let now = clock::precise();
    let lasts = found.valid_until().saturating_duration_since(now);
    let bounds = (Duration::from_millis(RESOLVE_TTL_MIN_MS), Duration::from_millis(RESOLVE_TTL_MAX_MS));
    Ok(DnsAnswer { addresses, due: now + lasts.clamp(bounds.0, bounds.1) })
}

#[expect(clippy::disallowed_types, reason = "a test changes the zone under its server")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Span;
    use crate::hook::UpstreamId;
    use crate::upstream::directory::Seen;
    use std::sync::Mutex;

    /// A DNS server of three names: `app.test` has the given A records, `six.test` one AAAA, others do not exist.
    struct Dns {
        address: SocketAddr,
        zone: Arc<Mutex<Zone>>,
    }

    struct Zone {
        app: Vec<[u8; 4]>,
        broken: bool,
        queries: usize,
    }

    impl Dns {
        fn start() -> Self {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            let zone = Arc::new(Mutex::new(Zone { app: vec![[10, 0, 0, 1]], broken: false, queries: 0 }));
            let shared = zone.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 1500];
                while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    let reply = shared.lock().unwrap().reply(&buffer[..len]);
                    socket.send_to(&reply, from).unwrap();
                }
            });
            Self { address, zone }
        }

        fn change(&self, edit: impl FnOnce(&mut Zone)) {
            edit(&mut self.zone.lock().unwrap());
        }
    }

    impl Zone {
        fn reply(&mut self, query: &[u8]) -> Vec<u8> {
            self.queries += 1;
            let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
            let kind = query[name_end + 1];
            let name = &query[12..name_end];
            let known = name == b"\x03app\x04test\0" || name == b"\x03six\x04test\0";
            let records: Vec<Vec<u8>> = match (name, kind) {
                _ if self.broken => Vec::new(),
                (b"\x03app\x04test\0", 1) => self.app.iter().map(|address| address.to_vec()).collect(),
                (b"\x03six\x04test\0", 28) => vec![std::net::Ipv6Addr::LOCALHOST.octets().to_vec()],
                _ => Vec::new(),
            };
            let code = if self.broken {
                2
            } else if known {
                0
            } else {
                3
            };
            let mut reply = query[..2].to_vec();
            reply.extend([0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
            reply.extend(&query[12..name_end + 4]);
            for record in records {
                reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 1, 0, record.len() as u8]);
                reply.extend(record);
            }
            reply
        }
    }

    fn upstream(name: &str, address: &str) -> plan::Upstream {
        plan::Upstream {
            name: name.into(),
            span: Span::default(),
            endpoints: vec![plan::Endpoint { address: Address::parse(address).unwrap(), weight: 1 }],
            balance: plan::Balance::RoundRobin,
            chain: Vec::new(),
            timeouts: plan::Timeouts::default(),
            connections_max: None,
            requests_max: None,
            proxy_protocol: None,
            protocol: plan::Protocol::Http1,
            tls: None,
        }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! { () = clock::drive() => {}, () = test => {} }
        });
    }

    fn names(seen: &mut Seen, id: UpstreamId) -> Vec<String> {
        seen.endpoints(id).list.iter().map(|endpoint| endpoint.name.to_string()).collect()
    }

    async fn until(what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..500 {
            if done() {
                return;
            }
            clock::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {what}");
    }

    #[test]
    fn names_follow_the_zone_and_keep_their_addresses_when_it_fails() {
        run(async {
            let dns = Dns::start();
            let directory = Directory::new();
            let plan = [upstream("app", "app.test:80"), upstream("six", "six.test:80"), upstream("no", "no.test:80")];
            let failed = resolve_once(&directory, &plan, &[dns.address]).await;
            assert_eq!(failed.iter().map(|(host, _)| &**host).collect::<Vec<_>>(), ["no.test"]);
            directory.apply(&plan);
            let mut seen = Seen::new(directory.clone());
            let (app, six) = (directory.intern("app"), directory.intern("six"));
            assert_eq!(names(&mut seen, app), ["10.0.0.1:80"]);
            assert_eq!(names(&mut seen, six), ["[::1]:80"]);
            let queries = dns.zone.lock().unwrap().queries;
            resolve_once(&directory, &plan[..2], &[dns.address]).await;
            assert_eq!(dns.zone.lock().unwrap().queries, queries, "a reload asks only for what is new");

            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let nameservers = [dns.address];
            let keeping = keep_resolving(directory.clone(), &plan, &nameservers, async move {
                let _ = stopped.await;
            });
            let test = async {
                dns.change(|zone| zone.app = vec![[10, 0, 0, 3], [10, 0, 0, 2]]);
                until("the new addresses", || names(&mut seen, app) == ["10.0.0.2:80", "10.0.0.3:80"]).await;
                dns.change(|zone| zone.broken = true);
                let queries = dns.zone.lock().unwrap().queries;
                until("some failures", || dns.zone.lock().unwrap().queries > queries + 4).await;
                assert_eq!(names(&mut seen, app).len(), 2, "the last addresses stay");
                dns.change(|zone| {
                    zone.broken = false;
                    zone.app = vec![[10, 0, 0, 4]];
                });
                until("the address after recovery", || names(&mut seen, app) == ["10.0.0.4:80"]).await;
                drop(stop);
            };
            tokio::join!(keeping, test);
        });
    }

    #[test]
    fn localhost_needs_no_server() {
        run(async {
            let directory = Directory::new();
            let plan = [upstream("here", "localhost:80")];
            assert!(resolve_once(&directory, &plan, &[]).await.is_empty());
            directory.apply(&plan);
            let mut seen = Seen::new(directory.clone());
            assert_eq!(names(&mut seen, directory.intern("here")), ["127.0.0.1:80"]);
        });
    }

    #[test]
    fn a_dead_server_delays_by_a_bound() {
        run(async {
            let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let start = clock::precise();
            let plan = [upstream("app", "app.test:80")];
            let failed = resolve_once(&Directory::new(), &plan, &[silent.local_addr().unwrap()]).await;
            assert_eq!(failed.len(), 1);
            assert!(start.elapsed() < Duration::from_millis(2 * RESOLVE_FIRST_MS), "{:?}", start.elapsed());
        });
    }
}
