//! The admin listeners, opened and closed as the plan says, on the control thread. A scrape under way is finished,
//! whatever becomes of the door it came by.

use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use tokio::task::JoinHandle;

use crate::config::plan::{Admin, Plan};
use crate::control::{Follower, Handle};
use crate::drain::{Drain, Level};
use crate::limits::ADMIN_CONNECTIONS_MAX;
use crate::listen::Serve;
use crate::listen::accept::{self, Door};
use crate::listen::bind::{BindError, Listening, bind};
use crate::listen::reply;
use crate::wire::Address;

/// The admin listeners of this process.
pub struct Doors {
    handle: Handle,
    drain: Drain,
    open: Vec<Open>,
    prepared: Option<Prepared>,
    /// Told where a door was opened.
    told: Box<dyn Fn(&Address)>,
}

struct Open {
    /// As the plan has it.
    address: Address,
    drain: Drain,
    accepting: Vec<JoinHandle<()>>,
}

/// Sockets for what the next plan wants and is not open yet.
struct Prepared {
    wanted: Vec<Address>,
    bound: Vec<(Address, Vec<Listening>, Address)>,
}

// === impl Doors ===

impl Doors {
    /// None is open yet. `told` hears of each address that is bound.
    #[must_use]
    pub fn new(handle: Handle, drain: &Drain, told: impl Fn(&Address) + 'static) -> Box<Self> {
        Box::new(Self { handle, drain: drain.child(), open: Vec::new(), prepared: None, told: Box::new(told) })
    }

    fn open(&self, address: Address, sockets: Vec<Listening>) -> Open {
        let may_act = matches!(address, Address::Unix(_));
        let drain = self.drain.child();
        let accept = |socket| {
            let door = Rc::new(door(self.handle.clone(), drain.child(), may_act));
            tokio::task::spawn_local(accept::run(socket, "admin".into(), door))
        };
        let accepting = sockets.into_iter().map(accept).collect();
        Open { address, drain, accepting }
    }
}

impl Follower for Doors {
    fn prepare(&mut self, plan: &Plan, before: Option<&Plan>) -> Result<(), BindError> {
        self.prepared = None;
        let wanted = places(&plan.admin);
        let mut bound = Vec::new();
        for address in wanted.iter().filter(|address| self.open.iter().all(|open| open.address != **address)) {
            let listeners = before.iter().flat_map(|plan| &plan.listeners).map(|listener| &listener.bind);
            let mut ours = listeners.chain(self.open.iter().map(|open| &open.address));
            let (sockets, real) = bind(address, 1, ours.any(|ours| ours.overlaps(address)))?;
            if let Address::Unix(path) = address {
                // Whoever may write to it may act: whatever the umask says, that is our user.
                let closed = std::fs::set_permissions(&**path, std::fs::Permissions::from_mode(0o600));
                closed.map_err(|error| BindError { address: address.clone(), why: error.to_string() })?;
            }
            bound.push((address.clone(), sockets, real));
        }
        self.prepared = Some(Prepared { wanted, bound });
        Ok(())
    }

    fn commit(&mut self) -> Vec<JoinHandle<()>> {
        let Some(Prepared { wanted, bound }) = self.prepared.take() else { return Vec::new() };
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|open| wanted.contains(&open.address));
        self.open = kept;
        for (address, sockets, real) in bound {
            let open = self.open(address, sockets);
            self.open.push(open);
            (self.told)(&real);
        }
        let mut closing = Vec::new();
        for open in gone {
            open.drain.stop(Level::Draining);
            closing.extend(open.accepting);
        }
        closing
    }
}

fn places(admin: &Admin) -> Vec<Address> {
    admin.bind.map(Address::Ip).into_iter().chain(admin.socket.clone().map(Address::Unix)).collect()
}

fn door(handle: Handle, drain: Drain, may_act: bool) -> Door {
    let serve: Serve = Rc::new(move |client, head| Box::pin(super::serve(client, head, handle.clone(), may_act)));
    reply::door("admin", ADMIN_CONNECTIONS_MAX, serve, drain)
}
