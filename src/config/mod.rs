//! What was written: source → document → plan.
//!
//! [`Sources`](source::Sources) holds the files, parsed into [`Node`](node::Node)s that know their place.
//! [`check`](check::check) reads them into a [`Document`](document::Document), asks a
//! [`Catalogue`](catalogue::Catalogue) about policies, and ends with a [`Plan`](plan::Plan) or with every
//! [`Diagnostic`](diagnostic::Diagnostic) there is. Nothing here is opened for writing, bound or dialled.

pub mod catalogue;
pub mod check;
pub mod codes;
pub mod diagnostic;
pub mod document;
pub mod files;
mod fuzz;
mod gather;
pub mod network;
pub mod node;
pub mod options;
pub mod plan;
mod read;
pub mod render;
pub mod scalar;
pub mod scan;
pub mod schema;
pub mod shapes;
pub mod similar;
pub mod source;
pub mod spanned;
pub mod state_dir;
pub mod units;
mod wrong;
mod yaml;

#[doc(hidden)]
pub use fuzz::fuzz_config;
