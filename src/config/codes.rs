//! Every code a diagnostic can carry, with the sentence that explains it.

macro_rules! codes {
    ($($name:ident = $code:literal, $what:literal;)+) => {
        $(#[doc = $what] pub const $name: &str = $code;)+
        /// Every code with what it means, for the reference and for `explain`.
        pub const ALL: &[(&str, &str)] = &[$(($code, $what)),+];
    };
}

codes! {
    // The file.
    UNREADABLE = "E0001", "A file cannot be read.";
    SYNTAX = "E0002", "The file is not YAML.";
    YAML_REFUSED = "E0003", "Valid YAML that this file format does not use: anchors, tags, several documents, odd keys.";
    TOO_LARGE = "E0004", "A file is too large, nested too deep, or includes too much.";
    DUPLICATE_KEY = "E0005", "A key stands twice in one table.";
    ENVIRONMENT = "E0006", "A ${NAME} that is not set, or is malformed.";
    // Its shape.
    UNKNOWN_KEY = "E0101", "A key that does not exist here.";
    MISSING_KEY = "E0102", "A key that must be there is not.";
    WRONG_SHAPE = "E0103", "A value of the wrong type.";
    BAD_VALUE = "E0104", "A value of the right type that makes no sense.";
    NOT_BUILT = "E0105", "A key whose feature is not built yet in this version.";
    // Its names.
    DEFINED_TWICE = "E0106", "Two things share a name, an address or a status.";
    UNKNOWN_UPSTREAM = "E0107", "A name that no upstream has.";
    UNKNOWN_POLICY = "E0108", "A name that neither a policy nor a built-in has.";
    UNKNOWN_KIND = "E0109", "A policy of a kind that does not exist.";
    UNKNOWN_SECRET = "E0110", "A name that no secret has.";
    UNKNOWN_MODULE = "E0111", "A `require` that finds no module, or one outside of the script's folders.";
    UNKNOWN_DATA = "E0112", "A name that no dictionary, or no table, has.";
    // What it means.
    ROUTE_TIE = "E0201", "Two routes that are equally specific for the same request.";
    ROUTE_NOWHERE = "E0202", "A route that neither leads to an upstream nor answers.";
    NEVER_MATCHES = "E0203", "A pattern that no request can match.";
    BAD_REGEX = "E0204", "A regular expression that does not compile.";
    NO_ENDPOINT = "E0205", "An upstream without an endpoint that could be chosen.";
    WRONG_PLACE = "E0206", "A policy that has nothing to say where it stands.";
    CHAIN_TOO_LONG = "E0207", "More policies in one chain than there are seats.";
    NO_LISTENER = "E0208", "No listener: nothing could ever arrive.";
    BAD_CERTIFICATE = "E0209", "A certificate, key, CA bundle or OCSP response that cannot be used.";
    BAD_TABLE = "E0210", "A table's file that cannot be read as its kind.";
    UNUSED = "W0301", "Something is defined that nothing uses.";
    DOUBTFUL = "W0302", "Something that works but is hardly meant.";
    SCRIPT_TYPES = "E0314", "A `--!strict` script uses a value as something that it is not.";
    DOUBTFUL_TYPES = "W0305", "A script uses a value as something that it is not; `gatewright check` alone says so.";
    TYPES_UNCHECKED = "W0306", "The types of scripts could not be checked.";
    EXPIRES = "W0303", "A certificate that is not valid yet, or not for long.";
}
