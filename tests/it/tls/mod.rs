//! TLS: with clients (`server`), with origins (`upstream`).

mod server;
