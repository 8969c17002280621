//! What outlives a policy: dictionaries, tables, metrics.

use super::{Member, Noun};

pub(super) const NOUNS: &[&Noun] =
    &[&DICTIONARY_NOUN, &LOOKUPTABLE_NOUN, &METRIC_NOUN, &COUNTER_NOUN, &GAUGE_NOUN, &HISTOGRAM_NOUN];

static DICTIONARY_NOUN: Noun = Noun {
    name: "Dictionary",
    at: "dictionary",
    about: "Values by key that all workers share and that outlive reloads; each operation is one step for \
                 everybody. Values are plain data. When it is full the longest unused go. Times are in seconds; \
                 none, or 0, is for good. What cannot be kept (a key or value that is too long) gives nil and the \
                 reason.",
    members: &[
        Member::method("get", "(key: string)", "any")
            .about("A copy of the value, or nil.", "local _ = dictionary():get('a')"),
        Member::method("set", "(key: string, value: any, ttl: number?)", "(boolean?, string?)")
            .about("Keeps a value; nil removes it.", "local _ = dictionary():set('a', { 1 }, 60)"),
        Member::method("add", "(key: string, value: any, ttl: number?)", "(boolean?, string?)")
            .about("Keeps a value only if there is none; whether it did.", "local _ = dictionary():add('a', 1)"),
        Member::method("replace", "(key: string, value: any, ttl: number?)", "(boolean?, string?)")
            .about("Keeps a value only if there is one; whether it did.", "local _ = dictionary():replace('a', 1)"),
        Member::method("incr", "(key: string, by: number?, initial: number?, ttl: number?)", "(number?, string?)")
            .about(
                "Adds to a number (1, unless told) and gives the sum. Where there is none it begins at `initial` \
                 and stays for `ttl`; without `initial` that is nil and the reason.",
                "local _ = dictionary():incr('n', 1, 0, 60)",
            ),
        Member::method(
            "compare_and_swap",
            "(key: string, expected: any, value: any, ttl: number?)",
            "(boolean?, string?)",
        )
        .about(
            "Keeps a value only if what is there is the expected one (nil: nothing); whether it did. Without \
                 `ttl` the time that was left stays.",
            "local _ = dictionary():compare_and_swap('c', nil, 1)",
        ),
        Member::method("delete", "(key: string)", "boolean")
            .about("Whether there was something to delete.", "local _ = dictionary():delete('a')"),
        Member::method("ttl", "(key: string)", "number?").about(
            "Seconds that a key will stay: `math.huge` for good, nil if there is none.",
            "local _ = dictionary():ttl('a')",
        ),
        Member::method("expire", "(key: string, ttl: number?)", "boolean")
            .about("Lets a key stay so long from now; whether there is one.", "local _ = dictionary():expire('a', 60)"),
        Member::method("keys", "(prefix: string?, most: number?)", "({ string }, boolean)").about(
            "Keys that begin so, in no order, 1024 unless told; and whether these are all. It walks the whole \
                 dictionary: for timers, not for requests.",
            "local keys, complete = dictionary():keys('a')",
        ),
        Member::method("flush", "()", "()").about("Removes everything.", "dictionary():flush()"),
        Member::method(
            "take_token",
            "(key: string, bucket: { rate: number, burst: number?, cost: number? })",
            "(boolean?, number | string, number?)",
        )
        .about(
            "Takes `cost` tokens (1) from a bucket that holds `burst` (`rate`) of them and gets `rate` a \
                 second: whether it may, how many are left, and in how many seconds to come again.",
            "local allowed, remaining, retry_after = dictionary():take_token('b', { rate = 10, burst = 20 })",
        ),
    ],
};

static LOOKUPTABLE_NOUN: Noun = Noun {
    name: "LookupTable",
    at: "table",
    about: "Read-only data of a file (`tables:`), looked up in the host and swapped as a whole when the file \
                 changes. The policy is then made anew, as with any change.",
    members: &[
        Member::method("lookup", "(key: string)", "any").about(
            "The row of a key: of a `csv` or `cidr` table its cells by column, of a `json` table the value. In \
                 a `cidr` table the key is an address.",
            "local _ = pcall(function() return lookup_table('prices'):lookup('apple') end)",
        ),
        Member::method("lookup_address", "(address: string)", "any").about(
            "The row of the narrowest network that holds the address, in a `cidr` table; nil and the reason \
                 where it is no address.",
            "local _ = pcall(function() return lookup_table('networks'):lookup_address('10.1.2.3') end)",
        ),
        Member::method("rows", "()", "number").about(
            "How many rows there are.",
            "local _ = pcall(function() return lookup_table('networks'):rows() end)",
        ),
    ],
};

static METRIC_NOUN: Noun = Noun {
    name: "metric",
    at: "metric",
    about: "Metrics of a script's own, on the metrics page as `policy_NAME` with the label `policy`. They live \
                 as long as the process: make them at the top level. Labels are a table of texts, 8 at most; what \
                 they can be should be few, for beyond 10,000 series further ones are counted together, as \
                 `overflow`.",
    members: &[
        Member::function("counter", "(name: string, help: string?)", "Counter")
            .about("What only grows.", "local _ = metric.counter('logins', 'Logins, by how they ended.')"),
        Member::function("gauge", "(name: string, help: string?)", "Gauge")
            .about("What goes up and down.", "local _ = metric.gauge('queue')"),
        Member::function("histogram", "(name: string, help: string?, options: { buckets: { number }? }?)", "Histogram")
            .about(
                "How values are spread; buckets by their upper bounds, 32 at most, from 5 ms to 10 s unless told.",
                "local _ = metric.histogram('size_bytes', 'Sizes.', { buckets = { 1e3, 1e6 } })",
            ),
    ],
};

static COUNTER_NOUN: Noun = Noun {
    name: "Counter",
    at: "counter",
    about: "What only grows.",
    members: &[Member::method("add", "(by: number?, labels: { [string]: string | number }?)", "()")
        .about("Adds 1, or a number that is not below 0.", "metric.counter('logins'):add(1, { result = 'good' })")],
};

static GAUGE_NOUN: Noun = Noun {
    name: "Gauge",
    at: "gauge",
    about: "What goes up and down.",
    members: &[
        Member::method("set", "(value: number, labels: { [string]: string | number }?)", "()")
            .about("Sets it.", "metric.gauge('queue'):set(7)"),
        Member::method("add", "(by: number?, labels: { [string]: string | number }?)", "()")
            .about("Adds 1, or another number.", "metric.gauge('queue'):add(-1)"),
    ],
};

static HISTOGRAM_NOUN: Noun = Noun {
    name: "Histogram",
    at: "histogram",
    about: "How values are spread.",
    members: &[Member::method("observe", "(value: number, labels: { [string]: string | number }?)", "()")
        .about("Counts one value.", "metric.histogram('wait_seconds'):observe(0.2, { upstream = 'users' })")],
};
