//! OpenMetrics 1.0 text, written by hand: families in the order they are begun, labels escaped, `# EOF` at the end.

/// What an answer with this text says it is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "OpenMetrics defines them")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// One family as the table of metrics has it.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// As its samples are called, with `_total` or `_info`.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// One sentence.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// A text being written.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

// === impl Kind ===

impl Kind {
    /// As the text says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

// === impl Family ===

impl Family {
    /// The family's name: a sample's without the suffix that its kind demands.
    #[must_use]
    pub fn family(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => return self.name,
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }
}

/// The unit that a family's name ends with.
fn unit(family: &str) -> Option<&'static str> {
    ["seconds", "bytes"].into_iter().find(|unit| family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
}

// === impl Text ===

impl Text {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, family: &Family) {
        self.begin(family.family(), family.kind, family.help);
    }

    /// As [`Text::family`], of a name that is not in the table.
    pub(super) fn begin(&mut self, name: &str, kind: Kind, help: &str) {
        self.line(&["# TYPE ", name, " ", kind.word()]);
        if let Some(unit) = unit(name) {
            self.line(&["# UNIT ", name, " ", unit]);
        }
        self.out.push_str("# HELP ");
        self.out.push_str(name);
        self.out.push(' ');
        self.escaped(help);
        self.out.push('\n');
    }

    /// A sample with a whole value.
    pub fn sample(&mut self, family: &Family, labels: &[&str], value: u64) {
        self.labelled(family.name, "", family.labels, labels, None);
        self.out.push_str(itoa::Buffer::new().format(value));
        self.out.push('\n');
    }

    /// A sample of any value.
    pub(super) fn value(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let (names, values): (Vec<&str>, Vec<&str>) = labels.iter().copied().unzip();
        self.labelled(name, suffix, &names, &values, None);
        let text = match value {
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        };
        self.line(&[&text]);
    }

    /// A histogram in microseconds: counts per bucket, not yet cumulative, the last one unbounded.
    pub fn histogram(&mut self, family: &Family, labels: &[&str], bounds: &[&str], counts: &[u64], sum_micros: u64) {
        let mut total = 0;
        for (count, bound) in counts.iter().zip(bounds.iter().copied().chain(["+Inf"])) {
            total += count;
            self.labelled(family.name, "_bucket", family.labels, labels, Some(bound));
            self.out.push_str(itoa::Buffer::new().format(total));
            self.out.push('\n');
        }
        self.labelled(family.name, "_count", family.labels, labels, None);
        self.out.push_str(itoa::Buffer::new().format(total));
        self.out.push('\n');
        self.labelled(family.name, "_sum", family.labels, labels, None);
        let text = format!("{}.{:06}", sum_micros / 1_000_000, sum_micros % 1_000_000);
        self.line(&[&text]);
    }

    /// Ends the text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.out.push_str("# EOF\n");
        self.out
    }

    fn line(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
        self.out.push('\n');
    }

    /// Name, labels and the space before the value. Labels with an empty value are left out: they mean the same.
    fn labelled(&mut self, name: &str, suffix: &str, names: &[&str], values: &[&str], bound: Option<&str>) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        let mut before = '{';
        let bound = bound.map(|bound| ("le", bound));
        for (label, value) in names.iter().copied().zip(values.iter().copied()).chain(bound) {
            if value.is_empty() {
                continue;
            }
            self.out.push(before);
            before = ',';
            self.out.push_str(label);
            self.out.push_str("=\"");
            self.escaped(value);
            self.out.push('"');
        }
        if before == ',' {
            self.out.push('}');
        }
        self.out.push(' ');
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                c => self.out.push(c),
            }
        }
    }
}
