//! A catalogue of a few kinds, enough to stand in every place and to be wrong in every way.

use gatewright::config::catalogue::{Catalogue, Places};
use gatewright::config::codes;
use gatewright::config::diagnostic::Diagnostic;
use gatewright::config::options::Options;
use gatewright::config::spanned::{Entries, Spanned};
use gatewright::config::units::Period;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct Fake;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redirect {
    pub to: Spanned<String>,
    pub status: Option<Spanned<u16>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Headers {
    #[allow(dead_code, reason = "written in a configuration and never read")]
    request: Option<Edits>,
    #[allow(dead_code, reason = "written in a configuration and never read")]
    response: Option<Edits>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Edits {
    #[serde(default)]
    #[allow(dead_code, reason = "written in a configuration and never read")]
    set: Entries<String>,
    #[serde(default)]
    #[allow(dead_code, reason = "written in a configuration and never read")]
    remove: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pick {
    #[allow(dead_code, reason = "written in a configuration and never read")]
    every: Option<Period>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Catalogue for Fake {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["redirect", "headers", "pick", "tracing"]
    }

    fn later(&self, kind: &str) -> bool {
        matches!(kind, "rate_limit" | "cache")
    }

    fn check(&self, kind: &str, options: &Options) -> Result<Places, Vec<Diagnostic>> {
        let one = |diagnostic| vec![diagnostic];
        match kind {
            "redirect" => {
                let redirect: Redirect = options.read().map_err(one)?;
                if let Some(status) = redirect.status.filter(|status| !(300..400).contains(&status.value)) {
                    return Err(vec![
                        Diagnostic::error(codes::BAD_VALUE, "a redirect has a status from 300 to 399")
                            .at(&status.span, ""),
                    ]);
                }
                Ok(Places { answers: true, ..Places::EXCHANGE })
            }
            "headers" => options.read::<Headers>().map(|_| Places::EVERYWHERE).map_err(one),
            "pick" => options.read::<Pick>().map(|_| Places::UPSTREAM).map_err(one),
            _ => options.read::<Nothing>().map(|_| Places::EXCHANGE).map_err(one),
        }
    }

    fn option_schemas(&self) -> Vec<(&'static str, serde_json::Value)> {
        vec![
            ("redirect", schemars::schema_for!(Redirect).to_value()),
            ("headers", schemars::schema_for!(Headers).to_value()),
            ("pick", schemars::schema_for!(Pick).to_value()),
            ("tracing", schemars::schema_for!(Nothing).to_value()),
        ]
    }
}
