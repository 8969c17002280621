//! The scripts with their requests: lines that begin with `--:` are what the client sends (`---` parts requests), `--?` how
//! the script is to be met.

use std::path::PathBuf;

/// One script.
pub struct Script {
    pub name: String,
    pub path: PathBuf,
    pub text: String,
    pub requests: Vec<Asked>,
    /// Why ours is another answer than Envoy's.
    pub differs: Option<String>,
    /// An origin that has to have been asked too before the transcript is whole.
    pub waits_for: Option<String>,
    /// Its client comes by TLS; whether it shows a certificate.
    pub tls: Option<bool>,
}

/// One request.
pub struct Asked {
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Every method that the objects of Envoy 1.40 have, read from the running program; the log methods are on all of them.
pub const METHODS: &[(&str, &[&str])] = &[
    (
        "handle",
        &[
            "headers",
            "body",
            "bodyChunks",
            "trailers",
            "httpCall",
            "respond",
            "metadata",
            "streamInfo",
            "connection",
            "connectionStreamInfo",
            "filterContext",
            "route",
            "virtualHost",
            "requestHeaders",
            "clearRouteCache",
            "setUpstreamOverrideHost",
            "importPublicKey",
            "verifySignature",
            "base64Escape",
            "base64Decode",
            "timestamp",
            "timestampString",
            "stats",
            "logTrace",
            "logDebug",
            "logInfo",
            "logWarn",
            "logErr",
            "logCritical",
        ],
    ),
    ("headers", &["get", "getAtIndex", "getNumValues", "add", "replace", "remove", "setHttp1ReasonPhrase", "pairs"]),
    ("buffer", &["length", "getBytes", "setBytes"]),
    (
        "streamInfo",
        &[
            "protocol",
            "routeName",
            "virtualClusterName",
            "downstreamLocalAddress",
            "downstreamDirectLocalAddress",
            "downstreamRemoteAddress",
            "downstreamDirectRemoteAddress",
            "requestedServerName",
            "downstreamSslConnection",
            "dynamicMetadata",
            "dynamicTypedMetadata",
            "filterState",
            "drainConnectionUponCompletion",
        ],
    ),
    ("dynamicMetadata", &["get", "set", "pairs"]),
    ("filterState", &["get", "filterState:set"]),
    ("connection", &["ssl"]),
    (
        "ssl",
        &[
            "peerCertificatePresented",
            "peerCertificateValidated",
            "sha256PeerCertificateDigest",
            "serialNumberPeerCertificate",
            "issuerPeerCertificate",
            "subjectPeerCertificate",
            "parsedSubjectPeerCertificate",
            "uriSanPeerCertificate",
            "dnsSansPeerCertificate",
            "oidsPeerCertificate",
            "validFromPeerCertificate",
            "expirationPeerCertificate",
            "urlEncodedPemEncodedPeerCertificate",
            "ciphersuiteId",
            "ciphersuiteString",
            "tlsVersion",
            "commonName",
            "organizationName",
            "urlEncodedPemEncodedPeerCertificateChain",
            "uriSanLocalCertificate",
            "dnsSansLocalCertificate",
            "subjectLocalCertificate",
            "oidsLocalCertificate",
            "sessionId",
        ],
    ),
];

/// What cannot exist here, or is shown by another test: by whom, or why.
pub const ABSENT: &[(&str, &str)] = &[
    ("stats", "its counters belong to Envoy's scope of statistics; calling one is an error"),
    ("drainConnectionUponCompletion", "a policy cannot close the client's connection; an error"),
    ("filterState:set", "it makes objects of Envoy's factories; an error; `dynamicMetadata():set()` keeps values"),
    ("urlEncodedPemEncodedPeerCertificateChain", "only the client's own certificate is kept; an error"),
    ("uriSanLocalCertificate", "the proxy does not keep what it showed of itself; an error"),
    ("dnsSansLocalCertificate", "as above"),
    ("subjectLocalCertificate", "as above"),
    ("oidsLocalCertificate", "as above"),
    ("sessionId", "TLS 1.3 has none that says anything; an error"),
];

/// All of them, by name.
pub fn all() -> Vec<Script> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/envoy");
    let mut scripts: Vec<Script> = std::fs::read_dir(folder)
        .expect(folder)
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lua"))
        .map(Script::read)
        .collect();
    scripts.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(scripts.len() >= 40, "{} scripts", scripts.len());
    scripts
}

// === impl Script ===

impl Script {
    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).expect("a script");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("--:")).map(str::trim).collect();
        let requests = lines.split(|line| *line == "---").map(Asked::read).collect();
        let says = |what: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("--?")?.trim().strip_prefix(what));
            line.map(|rest| rest.trim().to_owned())
        };
        let (differs, waits_for) = (says("differs:"), says("wait for:"));
        let tls = says("tls:").map(|client| client == "certificate");
        Self { name, path, requests, differs, waits_for, tls, text }
    }

    /// Whether it calls a method, or takes it off its object.
    pub fn uses(&self, method: &str) -> bool {
        let code = self.text.lines().filter(|line| !line.trim_start().starts_with("--"));
        let forms = [format!(":{method}("), format!(".{method}"), format!("\"{method}\""), format!("{method}(")];
        code.into_iter().any(|line| forms.iter().any(|form| line.contains(form)))
    }
}

// === impl Asked ===

impl Asked {
    fn read(lines: &[&str]) -> Self {
        let (method, target) = lines[0].split_once(' ').expect("a method and a target");
        let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
        let field = |line: &&str| {
            let (name, value) = line.split_once(':').expect("a field");
            (name.trim().to_owned(), value.trim().to_owned())
        };
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: lines[1..end].iter().map(field).collect(),
            body: lines.get(end + 1..).unwrap_or_default().join("\n").into_bytes(),
        }
    }
}
