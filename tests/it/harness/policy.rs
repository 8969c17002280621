//! Policies that a test writes in Rust: they stand before those of the file, on every worker.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use gatewright::control::Source;
use gatewright::control::embed::Embedded;
use gatewright::failure::Failure;
use gatewright::hook::{
    Answer, Awaited, Body, Form, Hook, HookSet, Outcome, Policy, Redeemed, Seat, Side, Step, Taking, Verdict, View,
};

use super::Proxy;

/// What becomes of a call.
pub type Said<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A policy that is one function.
pub struct Acts<F> {
    hooks: HookSet,
    taking: Taking,
    foreign: bool,
    act: F,
}

/// A policy that speaks at these hooks.
pub fn policy<F>(hooks: &[Hook], act: F) -> Acts<F>
where
    F: for<'a> Fn(Hook, &'a mut dyn View) -> Said<'a> + Send + Sync + 'static,
{
    Acts { hooks: HookSet::of(hooks), taking: Taking::Chunks, foreign: false, act }
}

/// An answer with a body of text.
pub fn answer(status: u16, body: &str) -> Outcome {
    let fields = vec![("content-type".to_owned(), b"text/plain".to_vec())];
    Ok(Verdict::Answer(Box::new(Answer { status, fields, body: Some(body.into()), why: None })))
}

/// Waits for something, as any engine does.
pub async fn redeem(view: &mut dyn View, awaited: Awaited) -> Result<Redeemed, Failure> {
    let ticket = view.start(awaited)?;
    std::future::poll_fn(|cx| view.poll_ticket(ticket, cx)).await
}

/// Waits for a whole body.
pub async fn whole(view: &mut dyn View, side: Side, bytes_max: usize, form: Form) -> Result<Body, Failure> {
    match redeem(view, Awaited::Body { side, bytes_max, form }).await? {
        Redeemed::Body(body) => Ok(body),
        other => panic!("{other:?}"),
    }
}

impl<F> Acts<F> {
    pub fn taking(self, taking: Taking) -> Self {
        Self { taking, ..self }
    }

    pub fn foreign(self) -> Self {
        Self { foreign: true, ..self }
    }
}

impl<F> Policy for Acts<F>
where
    F: for<'a> Fn(Hook, &'a mut dyn View) -> Said<'a> + Send + Sync + 'static,
{
    fn hooks(&self) -> HookSet {
        self.hooks
    }

    fn taking(&self, _: Hook) -> Taking {
        self.taking
    }

    fn is_foreign(&self) -> bool {
        self.foreign
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Later((self.act)(hook, view))
    }
}

/// A policy by reference count: a seat on each worker.
struct Everywhere(Arc<dyn Policy + Send + Sync>);

impl Policy for Everywhere {
    fn hooks(&self) -> HookSet {
        self.0.hooks()
    }

    fn taking(&self, hook: Hook) -> Taking {
        self.0.taking(hook)
    }

    fn is_foreign(&self) -> bool {
        self.0.is_foreign()
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        self.0.call(hook, view)
    }
}

/// Many policies, outermost first.
#[derive(Default)]
pub struct Policies(Vec<(Arc<dyn Policy + Send + Sync>, bool)>);

impl Policies {
    pub fn with(mut self, policy: impl Policy + Send + Sync + 'static) -> Self {
        self.0.push((Arc::new(policy), false));
        self
    }

    /// One that is only observed.
    pub fn observing(mut self, policy: impl Policy + Send + Sync + 'static) -> Self {
        self.0.push((Arc::new(policy), true));
        self
    }

    /// A proxy with these policies.
    #[track_caller]
    pub fn start(self, yaml: &str) -> Proxy {
        let source = Source::Text { name: "gatewright.yaml".into(), text: yaml.into() };
        let furnish = move |_: &gatewright::drain::Drain| {
            let seats = self.0.iter().enumerate().map(|(number, (policy, observe))| Seat {
                policy: Rc::new(Everywhere(policy.clone())),
                name: format!("test-{number}").into(),
                observe: *observe,
            });
            seats.collect()
        };
        let inner = Embedded::start(source, Some(2), Some(Arc::new(furnish)));
        Proxy { inner: inner.unwrap_or_else(|refused| panic!("the proxy does not start:\n{refused}\n{yaml}")) }
    }

    /// Everything to one origin.
    #[track_caller]
    pub fn to(self, origin: &str) -> Proxy {
        self.start(&super::proxy::plain(origin, ""))
    }
}
