//! Policies that were switched off, or to observing, while the process runs: whatever the file says, at every use, until
//! they are switched on again or their time is over. A plan is changed before it is compiled, so requests pay nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::history::Cause;
use crate::clock;
use crate::config::plan::{Balance, Plan, Use};
use crate::config::similar::nearest;
use crate::limits::{SWITCH_RETRY_MS, SWITCHES_MAX};

/// What a policy is switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It does not run.
    Off,
    /// It runs, and its verdicts are counted and not obeyed.
    Observe,
    /// It does what the file says.
    On,
}

/// Every switch that is not on.
#[derive(Debug, Clone, Default)]
pub struct Switches(BTreeMap<String, Switch>);

#[derive(Debug, Clone)]
pub struct Switch {
    pub position: Position,
    pub by: Option<String>,
    /// When it ends, by the wall clock; `None`: it stays.
    pub until: Option<SystemTime>,
    /// The same by our own clock, which nobody sets.
    due_ms: Option<u64>,
}

// === impl Position ===

impl Position {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::On => "on",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Off, Self::Observe, Self::On].into_iter().find(|position| position.word() == word)
    }
}

// === impl Switches ===

impl Switches {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Switch)> {
        self.0.iter().map(|(name, switch)| (name.as_str(), switch))
    }

    /// These and one more, or one less; an error says why not.
    pub fn with(
        &self,
        plan: &Plan,
        name: &str,
        to: Position,
        lasting: Option<Duration>,
        by: Option<&str>,
    ) -> Result<Self, String> {
        let mut next = self.clone();
        let was_there = next.0.remove(name).is_some();
        if !was_there {
            known(plan, name)?;
        }
        if to != Position::On {
            if next.0.len() >= SWITCHES_MAX {
                return Err(format!("{SWITCHES_MAX} policies are switched already"));
            }
            let until = lasting.and_then(|lasting| clock::wall().checked_add(lasting));
            let due_ms = lasting.map(|lasting| clock::refresh().saturating_add(clock::millis(lasting)));
            next.0.insert(name.to_owned(), Switch { position: to, by: by.map(str::to_owned), until, due_ms });
        }
        Ok(next)
    }

    /// When the next one ends.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        self.0.values().filter_map(|switch| switch.due_ms).min()
    }

    /// Those whose time is not over, and the names of the others.
    #[must_use]
    pub fn still(&self) -> (Self, Vec<String>) {
        let now = clock::refresh();
        let (over, still): (BTreeMap<_, _>, _) =
            self.0.clone().into_iter().partition(|(_, switch)| switch.due_ms.is_some_and(|due| due <= now));
        (Self(still), over.into_keys().collect())
    }

    /// What should have ended ends a little later.
    pub fn put_off(&mut self) {
        let now = clock::now();
        for due in self.0.values_mut().filter_map(|switch| switch.due_ms.as_mut()) {
            if *due <= now {
                *due = now + SWITCH_RETRY_MS;
            }
        }
    }

    /// The plan as it is compiled.
    #[must_use]
    pub fn applied(&self, plan: &Arc<Plan>) -> Arc<Plan> {
        if self.0.is_empty() {
            return plan.clone();
        }
        let mut plan = Plan::clone(plan);
        self.chain(&mut plan.chain);
        plan.listeners.iter_mut().for_each(|listener| self.chain(&mut listener.chain));
        plan.routes.iter_mut().for_each(|route| self.chain(&mut route.chain));
        for upstream in &mut plan.upstreams {
            self.chain(&mut upstream.chain);
            let Balance::Policy(written) = &mut upstream.balance else { continue };
            match self.position(&written.policy) {
                Position::Off => upstream.balance = Balance::RoundRobin,
                Position::Observe => written.observe = true,
                Position::On => {}
            }
        }
        Arc::new(plan)
    }

    fn chain(&self, chain: &mut Vec<Use>) {
        chain.retain(|written| self.position(&written.policy) != Position::Off);
        for written in chain {
            written.observe |= self.position(&written.policy) == Position::Observe;
        }
    }

    fn position(&self, name: &str) -> Position {
        self.0.get(name).map_or(Position::On, |switch| switch.position)
    }

    /// As it is written to the disk; `None`: nothing is switched.
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        let ms = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, clock::millis);
        let one = |switch: &Switch| json!({ "to": switch.position.word(), "by": switch.by, "until_ms": switch.until.map(ms) });
        let all: Map<String, Value> = self.0.iter().map(|(name, switch)| (name.clone(), one(switch))).collect();
        (!all.is_empty()).then_some(Value::Object(all))
    }

    /// From the disk, without what has ended since.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        let mut switches = BTreeMap::new();
        for (name, one) in value.as_object().into_iter().flatten().take(SWITCHES_MAX) {
            let Some(position) = one.get("to").and_then(|to| Position::parse(to.as_str()?)) else { continue };
            let until = one.get("until_ms").and_then(Value::as_u64).map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
            let left = until.map(|until| until.duration_since(clock::wall()).unwrap_or_default());
            if left != Some(Duration::ZERO) && position != Position::On {
                let due_ms = left.map(|left| clock::refresh() + clock::millis(left));
                let by = one.get("by").and_then(Value::as_str).map(str::to_owned);
                switches.insert(name.clone(), Switch { position, by, until, due_ms });
            }
        }
        Self(switches)
    }

    /// Each policy with its kind, where it is used and its switch.
    #[must_use]
    pub fn list(&self, plan: &Plan) -> String {
        let mut used: BTreeMap<&str, (&str, BTreeSet<String>)> = BTreeMap::new();
        each_use(plan, &mut |written, place| {
            let entry = used.entry(&written.policy).or_insert_with(|| (&written.kind, BTreeSet::new()));
            entry.1.insert(if written.observe { format!("{place} (observe)") } else { place });
        });
        for name in self.0.keys() {
            used.entry(name).or_insert_with(|| ("-", BTreeSet::from(["nowhere now".to_owned()])));
        }
        let mut out = format!("{:<20} {:<12} {:<32} USED AT\n", "POLICY", "KIND", "SWITCH");
        for (name, (kind, places)) in used {
            let switch = self.0.get(name).map_or_else(|| "on".to_owned(), Switch::told);
            let places: Vec<String> = places.into_iter().collect();
            let _infallible = writeln!(out, "{name:<20} {kind:<12} {switch:<32} {}", places.join(", "));
        }
        out
    }
}

// === impl Switch ===

impl Switch {
    /// `off until 2026-11-21T10:00:00Z`
    #[must_use]
    pub fn told(&self) -> String {
        match self.until {
            Some(until) => format!("{} until {}", self.position.word(), moment(until)),
            None => self.position.word().into(),
        }
    }
}

/// Why a generation is made that only switches.
#[must_use]
pub fn cause(name: &str, to: Position, lasting: Option<Duration>) -> Cause {
    let lasting = lasting.map(|lasting| format!(" for {} s", lasting.as_secs_f64())).unwrap_or_default();
    Cause::of(format!("policy {} {name}{lasting}", to.word()))
}

/// `2026-11-21T10:00:00Z`
#[must_use]
pub fn moment(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn known(plan: &Plan, name: &str) -> Result<(), String> {
    let mut names = BTreeSet::new();
    each_use(plan, &mut |written, _| {
        names.insert(written.policy.as_str());
    });
    if names.contains(name) {
        return Ok(());
    }
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "the configuration uses no policy".into(),
        None => format!("used are: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("error: no policy that is used is called `{name}`\n  = help: {help}"))
}

fn each_use<'a>(plan: &'a Plan, sink: &mut dyn FnMut(&'a Use, String)) {
    plan.chain.iter().for_each(|written| sink(written, "the file".into()));
    for listener in &plan.listeners {
        listener.chain.iter().for_each(|written| sink(written, format!("listener {}", listener.name)));
    }
    for route in &plan.routes {
        route.chain.iter().for_each(|written| sink(written, format!("route {}", route.name)));
    }
    for upstream in &plan.upstreams {
        let balance = if let Balance::Policy(written) = &upstream.balance { Some(&**written) } else { None };
        upstream.chain.iter().chain(balance).for_each(|written| sink(written, format!("upstream {}", upstream.name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::check;
    use crate::config::source::Sources;
    use crate::policy::catalogue::BuiltIns;

    fn plan() -> Arc<Plan> {
        let text = "version: 1\nlisteners: { web: { bind: 8080, use: [hello] } }\n\
            policies: { hello: { answer: { body: hi } }, office: { addresses: { allow: [10.0.0.0/8] } } }\n\
            routes: [{ name: all, use: [{ policy: office, mode: observe }, hello] }]\n";
        Arc::new(check(&mut Sources::from_text("a.yaml", text), &BuiltIns).unwrap().0)
    }

    #[test]
    fn a_switch_holds_at_every_use() {
        let plan = plan();
        let on = Switches::default();
        assert!(Arc::ptr_eq(&on.applied(&plan), &plan));
        let off = on.with(&plan, "hello", Position::Off, None, None).unwrap().applied(&plan);
        assert!(off.listeners[0].chain.is_empty());
        assert_eq!(off.routes[0].chain.len(), 1);
        let observe = on.with(&plan, "hello", Position::Observe, None, None).unwrap();
        let observed = observe.applied(&plan);
        assert!(observed.listeners[0].chain[0].observe && observed.routes[0].chain[1].observe);
        let back = observe.with(&plan, "hello", Position::On, None, None).unwrap();
        assert!(back.is_empty());
        let on = on.with(&plan, "office", Position::On, None, None).unwrap().applied(&plan);
        assert!(on.routes[0].chain[0].observe, "on is what the file says");
    }

    #[test]
    fn an_unknown_name_is_told_with_what_was_meant() {
        let why = Switches::default().with(&plan(), "helo", Position::Off, None, None).unwrap_err();
        assert!(why.contains("`helo`") && why.contains("did you mean `hello`?"), "{why}");
        let why = Switches::default().with(&plan(), "zebra", Position::Off, None, None).unwrap_err();
        assert!(why.contains("used are: hello, office"), "{why}");
    }

    #[test]
    fn it_ends_by_itself() {
        clock::freeze();
        let plan = plan();
        let lasting = Some(Duration::from_secs(60));
        let mut switches = Switches::default().with(&plan, "hello", Position::Off, lasting, Some("uid 1")).unwrap();
        assert!(switches.still().1.is_empty());
        let written = switches.to_json().unwrap();
        let read = Switches::from_json(&written);
        assert_eq!(read.to_json().unwrap(), written);
        assert!(read.due_ms().is_some());
        clock::advance(Duration::from_secs(60));
        let (still, over) = switches.still();
        assert!(still.is_empty() && over == ["hello"]);
        switches.put_off();
        assert!(switches.still().1.is_empty());
        let ended = json!({ "hello": { "to": "off", "until_ms": 1 }, "office": { "to": "nonsense" } });
        assert!(Switches::from_json(&ended).is_empty());
        assert!(Switches::default().to_json().is_none());
    }

    #[test]
    fn the_list_says_where_and_how() {
        let plan = plan();
        let switches = Switches::default().with(&plan, "hello", Position::Off, None, None).unwrap();
        let list = switches.list(&plan);
        let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["hello", "answer", "off", "listener", "web,", "route", "all"]);
        assert_eq!(lines[2], ["office", "addresses", "on", "route", "all", "(observe)"]);
    }
}
