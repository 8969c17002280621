//! A scrape: every family of the table, summed over the workers, as OpenMetrics text.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::handshake::{Shaken, Unshaken};
use super::metrics::{
    self, BOUNDS_TEXT, BUCKETS, CLASSES, CertificateGauge, Count, FLOWS, Metrics, RESULTS, RouteCounts, UpstreamGauges,
    WorkerMetrics, named,
};
use super::open_metrics::Text;
use super::process;
use super::steering::Steering;
use crate::failure::Reason;
use crate::tls::{SUITES, suite_name, version_name};

// === impl Metrics ===

impl Metrics {
    /// All of it; `upstreams` are the gauges that the directory of upstreams keeps.
    #[must_use]
    pub fn render(
        &self,
        upstreams: &[UpstreamGauges],
        certificates: &[CertificateGauge<'_>],
        steering: &Steering<'_>,
    ) -> String {
        let mut text = Text::default();
        self.requests(&mut text);
        self.upstream(&mut text, upstreams);
        self.listening(&mut text);
        self.handshakes(&mut text);
        expiries(&mut text, certificates);
        self.trouble(&mut text);
        self.flows(&mut text);
        self.configuration(&mut text);
        steering.write(&mut text);
        text.family(&metrics::LOG_DROPPED);
        text.sample(&metrics::LOG_DROPPED, &[], self.log_dropped_total());
        text.family(&metrics::OPEN_FDS);
        if let Some(n) = process::open_fds() {
            text.sample(&metrics::OPEN_FDS, &[], n);
        }
        text.family(&metrics::RESIDENT_MEMORY);
        if let Some(n) = process::resident_bytes() {
            text.sample(&metrics::RESIDENT_MEMORY, &[], n);
        }
        self.scripted.write(&mut text);
        text.family(&metrics::BUILD_INFO);
        text.sample(&metrics::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        text.finish()
    }

    fn sum<'a>(&'a self, of: impl Fn(&'a WorkerMetrics) -> Option<&'a Count>) -> u64 {
        self.workers.iter().filter_map(|worker| of(worker)).map(Count::get).sum()
    }

    fn requests(&self, text: &mut Text) {
        text.family(&metrics::REQUEST_DURATION);
        self.durations(text, "", |worker| Some(&worker.unrouted));
        for (index, name) in named(&self.routes) {
            self.durations(text, name, move |worker| worker.routes.get(index));
        }
        text.family(&metrics::ACTIVE_REQUESTS);
        // Finished first: what begins in between must not make it negative.
        let finished: u64 = self.workers.iter().map(|worker| worker.finished_total()).sum();
        let began = self.sum(|worker| Some(&worker.began));
        text.sample(&metrics::ACTIVE_REQUESTS, &[], began.saturating_sub(finished));
    }

    fn durations<'a>(
        &'a self,
        text: &mut Text,
        route: &str,
        of: impl Fn(&'a WorkerMetrics) -> Option<&'a RouteCounts>,
    ) {
        for (class, label) in CLASSES.iter().enumerate() {
            let mut counts = [0; BUCKETS];
            let mut sum = 0_u64;
            for histogram in self.workers.iter().filter_map(|worker| of(worker)?.0.get(class)) {
                counts.iter_mut().zip(&histogram.buckets).for_each(|(sum, count)| *sum += count.get());
                sum = sum.wrapping_add(histogram.sum_micros.get());
            }
            if counts.iter().any(|count| *count > 0) {
                text.histogram(&metrics::REQUEST_DURATION, &[route, label], &BOUNDS_TEXT, &counts, sum);
            }
        }
    }

    fn upstream(&self, text: &mut Text, gauges: &[UpstreamGauges]) {
        text.family(&metrics::UPSTREAM_REQUESTS);
        for (index, name) in named(&self.upstreams) {
            for (result, label) in RESULTS.iter().enumerate() {
                let n = self.sum(|worker| worker.upstreams.get(index)?.results.get(result));
                if n > 0 {
                    text.sample(&metrics::UPSTREAM_REQUESTS, &[name, label], n);
                }
            }
        }
        text.family(&metrics::UPSTREAM_RETRIES);
        for (index, name) in named(&self.upstreams) {
            let n = self.sum(|worker| worker.upstreams.get(index).map(|counts| &counts.retries));
            text.sample(&metrics::UPSTREAM_RETRIES, &[name], n);
        }
        text.family(&metrics::UPSTREAM_IN_FLIGHT);
        for upstream in gauges {
            text.sample(&metrics::UPSTREAM_IN_FLIGHT, &[&upstream.name], upstream.in_flight);
        }
        text.family(&metrics::UPSTREAM_CONNECTIONS);
        for upstream in gauges {
            text.sample(&metrics::UPSTREAM_CONNECTIONS, &[&upstream.name], upstream.connections);
        }
    }

    fn listening(&self, text: &mut Text) {
        let accepted = |index| self.sum(|worker| worker.listeners.get(index).map(|counts| &counts.accepted));
        text.family(&metrics::CONNECTIONS_ACCEPTED);
        for (index, name) in named(&self.listeners) {
            text.sample(&metrics::CONNECTIONS_ACCEPTED, &[name], accepted(index));
        }
        text.family(&metrics::CONNECTIONS_REFUSED);
        for (index, name) in named(&self.listeners) {
            for reason in Reason::ALL {
                let n = self.sum(|worker| worker.listeners.get(index)?.refused.0.get(*reason as usize));
                if n > 0 {
                    text.sample(&metrics::CONNECTIONS_REFUSED, &[name, reason.label()], n);
                }
            }
        }
        text.family(&metrics::CONNECTIONS);
        for (index, name) in named(&self.listeners) {
            let closed = self.sum(|worker| worker.listeners.get(index).map(|counts| &counts.closed));
            text.sample(&metrics::CONNECTIONS, &[name], accepted(index).saturating_sub(closed));
        }
    }

    /// Only what has happened: most listeners see two or three of the suites, and many none.
    fn handshakes(&self, text: &mut Text) {
        text.family(&metrics::HANDSHAKES);
        for (listener, name) in named(&self.listeners) {
            for (place, suite) in SUITES.iter().enumerate() {
                for resumed in [false, true] {
                    let index = Shaken { suite: place, resumed }.index();
                    let n = self.sum(|worker| worker.listeners.get(listener)?.shaken.get(index));
                    if n > 0 {
                        let labels = [version_name(Some(suite.version().version)), suite_name(suite.suite())];
                        let resumed = if resumed { "true" } else { "false" };
                        text.sample(&metrics::HANDSHAKES, &[name, labels[0], labels[1], resumed], n);
                    }
                }
            }
        }
        text.family(&metrics::HANDSHAKE_FAILURES);
        for (listener, name) in named(&self.listeners) {
            for unshaken in Unshaken::ALL {
                let n = self.sum(|worker| worker.listeners.get(listener)?.unshaken.get(*unshaken as usize));
                if n > 0 {
                    text.sample(&metrics::HANDSHAKE_FAILURES, &[name, unshaken.label()], n);
                }
            }
        }
    }

    fn trouble(&self, text: &mut Text) {
        text.family(&metrics::FAILURES);
        for reason in Reason::ALL {
            let n = self.sum(|worker| worker.failures.0.get(*reason as usize));
            text.sample(&metrics::FAILURES, &[reason.label()], n);
        }
        text.family(&metrics::POLICY_OBSERVED);
        let mut observed: BTreeMap<[&str; 3], u64> = BTreeMap::new();
        for series in self.workers.iter().flat_map(|worker| worker.observed.iter()) {
            *observed.entry([&series.policy, series.hook, series.verdict]).or_default() += series.count.get();
        }
        for (labels, n) in observed {
            text.sample(&metrics::POLICY_OBSERVED, &labels, n);
        }
    }

    fn flows(&self, text: &mut Text) {
        text.family(&metrics::BYTES);
        for (index, (side, direction)) in FLOWS.iter().enumerate() {
            text.sample(&metrics::BYTES, &[side, direction], self.sum(|worker| worker.bytes.get(index)));
        }
    }

    fn configuration(&self, text: &mut Text) {
        text.family(&metrics::CONFIG_GENERATION);
        text.sample(&metrics::CONFIG_GENERATION, &[], self.generation.load(Ordering::Relaxed));
        text.family(&metrics::LAST_RELOAD);
        text.sample(&metrics::LAST_RELOAD, &[], 1 - self.last_reload_failed.load(Ordering::Relaxed).min(1));
        text.family(&metrics::RELOADS);
        text.sample(&metrics::RELOADS, &["success"], self.reloads_succeeded.load(Ordering::Relaxed));
        text.sample(&metrics::RELOADS, &["failure"], self.reloads_failed.load(Ordering::Relaxed));
        text.family(&metrics::GENERATIONS_ALIVE);
        text.sample(&metrics::GENERATIONS_ALIVE, &[], self.generations_alive());
    }
}

/// A file that is named twice at a listener has one series.
fn expiries(text: &mut Text, certificates: &[CertificateGauge<'_>]) {
    text.family(&metrics::CERTIFICATE_EXPIRY);
    let ends: BTreeMap<_, _> = certificates.iter().map(|one| ([one.listener, one.file], one.not_after)).collect();
    for (labels, not_after) in ends {
        text.sample(&metrics::CERTIFICATE_EXPIRY, &labels, u64::try_from(not_after).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{FAMILIES, Way};
    use super::super::open_metrics::{Family, Kind};
    use super::*;
    use std::sync::Arc;

    type Samples = BTreeMap<(String, Vec<(String, String)>), f64>;

    /// Reads the text as strictly as the grammar is, and fails on anything else.
    fn parse(text: &str) -> (Vec<(String, String)>, Samples) {
        let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
        let (mut families, mut samples): (Vec<(String, String)>, Samples) = Default::default();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(families.iter().all(|(known, _)| known != name), "{name} twice");
                families.push((name.into(), kind.into()));
                continue;
            }
            let (family, kind) = families.last().expect("a family first");
            if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').unwrap();
                assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
                continue;
            }
            if let Some(rest) = line.strip_prefix("# HELP ") {
                assert_eq!(rest.split_once(' ').unwrap().0, family);
                continue;
            }
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(family.as_str()).expect("of its family");
            let allowed: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_count", "_sum"],
                other => panic!("{other}"),
            };
            assert!(allowed.contains(&suffix), "{line}");
            assert!(samples.insert((name, labels), value.parse().unwrap()).is_none(), "{line} twice");
        }
        (families, samples)
    }

    fn sample(line: &str) -> (String, Vec<(String, String)>, &str) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = line.find(|c| !is_name(c)).unwrap();
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                let (label, after) = rest.split_once("=\"").unwrap();
                assert!(label.chars().all(is_name) && !label.is_empty(), "{line}");
                let (mut value, mut chars) = (String::new(), after.char_indices());
                let close = loop {
                    match chars.next().unwrap() {
                        (at, '"') => break at,
                        (_, '\\') => value.push(match chars.next().unwrap().1 {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            c => panic!("\\{c}"),
                        }),
                        (_, c) => value.push(c),
                    }
                };
                labels.push((label.to_string(), value));
                rest = &after[close + 1..];
                match rest.strip_prefix(',') {
                    Some(next) => rest = next,
                    None => break,
                }
            }
            rest = rest.strip_prefix('}').unwrap();
        }
        let value = rest.strip_prefix(' ').unwrap();
        assert!(!value.is_empty() && !value.contains(' '), "{line}");
        (name.into(), labels, value)
    }

    fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        *samples.get(&(name.to_string(), labels)).unwrap_or_else(|| panic!("{name} is missing"))
    }

    #[test]
    fn the_text_reads_back_as_what_was_counted() {
        let metrics = Metrics::new(2);
        let ugly: Arc<str> = "a \"b\" \\ \n c é".into();
        metrics.ensure_routes(&["shop".into(), ugly.clone()]);
        metrics.ensure_upstreams(&["origin".into()]);
        metrics.ensure_listeners(&["web".into()]);
        for worker in [metrics.worker(0), metrics.worker(1)] {
            for _ in 0..4 {
                worker.began();
            }
            worker.finished(Some(1), 200, 5_000);
            worker.finished(Some(1), 204, 5_001);
            worker.finished(None, 404, 11_000_000);
            worker.accepted(0);
            worker.attempted(0, Some(503));
            worker.attempted(0, None);
            worker.retried(0);
            worker.failed(Reason::Broken);
            worker.bytes(Way::UpstreamSent, 21);
            worker.observed(&"quota".into(), "request", "Answer");
        }
        metrics.worker(0).closed(0);
        metrics.reloaded(None);
        metrics.reloaded(Some(7));
        metrics.living(1);
        metrics.log_dropped(3);
        let certificates = [2_000_000_000, 2_000_000_001, -1].map(|not_after| {
            let file = if not_after < 0 { "old.pem" } else { "site.pem" };
            CertificateGauge { listener: "web", file, not_after }
        });
        let gauges = [UpstreamGauges { name: "origin".into(), in_flight: 5, connections: 6 }];
        let steering = Steering { pinned: true, held: 2, history_failures: 3, switches: vec![("login", "off")] };
        let (families, samples) = parse(&metrics.render(&gauges, &certificates, &steering));

        let table: Vec<_> = FAMILIES.iter().map(|it| (it.family().to_string(), it.kind.word().to_string())).collect();
        assert_eq!(families, table, "every family of the table, in its order");
        let sample = |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels);
        let ok = [("http_route", &*ugly), ("http_response_status_class", "2xx")];
        let below = |le| [ok[0], ok[1], ("le", le)];
        let duration = "http_server_request_duration_seconds";
        assert_eq!(sample(&format!("{duration}_bucket"), &below("0.005")), 2.0);
        assert_eq!(sample(&format!("{duration}_bucket"), &below("0.01")), 4.0);
        assert_eq!(sample(&format!("{duration}_bucket"), &below("+Inf")), 4.0);
        assert_eq!(sample(&format!("{duration}_count"), &ok), 4.0);
        assert_eq!(sample(&format!("{duration}_sum"), &ok), 0.020_002);
        assert_eq!(sample(&format!("{duration}_sum"), &[("http_response_status_class", "4xx")]), 22.0);
        assert_eq!(sample("http_server_active_requests", &[]), 2.0);
        assert_eq!(sample("gatewright_connections", &[("listener", "web")]), 1.0);
        assert_eq!(sample("gatewright_connections_accepted_total", &[("listener", "web")]), 2.0);
        let attempts = "gatewright_upstream_requests_total";
        assert_eq!(sample(attempts, &[("upstream", "origin"), ("result", "5xx")]), 2.0);
        assert_eq!(sample(attempts, &[("upstream", "origin"), ("result", "failed")]), 2.0);
        assert_eq!(sample("gatewright_upstream_in_flight", &[("upstream", "origin")]), 5.0);
        let ends = |file| {
            let labels = [("listener", "web"), ("certificate", file)];
            sample("gatewright_certificate_expiry_timestamp_seconds", &labels)
        };
        assert_eq!((ends("site.pem"), ends("old.pem")), (2_000_000_001.0, 0.0));
        let observed = [("policy", "quota"), ("hook", "request"), ("verdict", "Answer")];
        assert_eq!(sample("gatewright_policy_observed_total", &observed), 2.0);
        assert_eq!(sample("gatewright_bytes_total", &[("side", "upstream"), ("direction", "sent")]), 42.0);
        for reason in Reason::ALL {
            let expected = if *reason == Reason::Broken { 2.0 } else { 0.0 };
            assert_eq!(sample("gatewright_failures_total", &[("reason", reason.label())]), expected);
        }
        assert_eq!(sample("gatewright_config_generation", &[]), 7.0);
        assert_eq!(sample("gatewright_reloads_total", &[("result", "failure")]), 1.0);
        assert_eq!(sample("gatewright_generations_alive", &[]), 1.0);
        assert_eq!(sample("gatewright_log_dropped_total", &[]), 3.0);
        assert!(sample("process_open_fds", &[]) > 2.0 && sample("process_resident_memory_bytes", &[]) > 1e5);
        assert_eq!(sample("gatewright_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    }

    #[test]
    fn what_is_not_known_is_not_counted_elsewhere() {
        let metrics = Metrics::new(1);
        let worker = metrics.worker(0);
        worker.finished(Some(9), 200, 1);
        worker.attempted(9, Some(200));
        worker.accepted(9);
        worker.finished(Some(0), 999, 1);
        worker.finished(Some(0), 0, 1);
        let text = metrics.render(&[], &[], &Steering::default());
        let class = |class| {
            value(
                &parse(&text).1,
                "http_server_request_duration_seconds_count",
                &[("http_response_status_class", class)],
            )
        };
        assert_eq!((class("1xx"), class("2xx"), class("5xx")), (1.0, 1.0, 1.0));
    }

    #[test]
    fn a_family_without_samples_is_still_named() {
        let mut text = Text::default();
        text.family(&Family { name: "x_bytes_total", kind: Kind::Counter, help: "A \"b\"\nc.", labels: &[] });
        let expected = "# TYPE x_bytes counter\n# UNIT x_bytes bytes\n# HELP x_bytes A \\\"b\\\"\\nc.\n# EOF\n";
        assert_eq!(text.finish(), expected);
    }
}
