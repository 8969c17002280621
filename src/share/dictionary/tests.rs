//! Every operation, expiry by a frozen clock, the bound of bytes, and several threads at once.

use super::*;
use crate::clock::{advance, freeze};

fn dictionary(size: usize) -> Arc<Dictionary> {
    Dictionary::new("test", size)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn values_are_set_added_replaced_and_deleted() {
    let d = dictionary(1 << 20);
    assert_eq!(d.get(b"a"), None);
    assert_eq!(d.replace(b"a", 1.0.into(), None), Ok(false));
    assert_eq!(d.add(b"a", 1.0.into(), None), Ok(true));
    assert_eq!(d.add(b"a", 2.0.into(), None), Ok(false));
    assert_eq!(d.replace(b"a", "x".into(), None), Ok(true));
    assert_eq!(d.get(b"a"), Some("x".into()));
    assert_eq!(d.set(b"b", Plain::List(vec![true.into()]), None), Ok(()));
    assert_eq!((d.len(), d.is_empty()), (2, false));
    assert!(d.delete(b"a") && !d.delete(b"a"));
    d.set(b"b", Plain::Nil, None).unwrap();
    assert_eq!((d.len(), d.bytes()), (0, 0));
}

#[test]
fn numbers_are_counted_up() {
    let d = dictionary(1 << 20);
    assert_eq!(d.incr(b"n", 1.0, None, None), Err(DictionaryError::Missing));
    assert_eq!(d.incr(b"n", 1.0, Some(10.0), None), Ok(11.0));
    assert_eq!(d.incr(b"n", -0.5, None, None), Ok(10.5));
    assert_eq!(
        d.incr(b"n", f64::MAX, None, None).and_then(|_| d.incr(b"n", f64::MAX, None, None)),
        Err(DictionaryError::NotFinite)
    );
    d.set(b"t", "x".into(), None).unwrap();
    assert_eq!(d.incr(b"t", 1.0, Some(0.0), None), Err(DictionaryError::NotANumber));
}

#[test]
fn a_swap_wants_what_is_there() {
    let d = dictionary(1 << 20);
    assert_eq!(d.compare_and_swap(b"a", &1.0.into(), 2.0.into(), None), Ok(false));
    assert_eq!(d.compare_and_swap(b"a", &Plain::Nil, 1.0.into(), None), Ok(true));
    assert_eq!(d.compare_and_swap(b"a", &Plain::Nil, 2.0.into(), None), Ok(false));
    let map = |keys: [&[u8]; 2]| Plain::Map(keys.map(|key| (key.into(), Plain::from(key))).into());
    d.set(b"a", map([b"x", b"y"]), None).unwrap();
    assert_eq!(d.compare_and_swap(b"a", &map([b"y", b"x"]), Plain::Nil, None), Ok(true), "order does not matter");
    assert!(d.is_empty());
}

#[test]
fn what_has_a_time_ends_with_it() {
    freeze();
    let d = dictionary(1 << 20);
    d.set(b"a", 1.0.into(), Some(SECOND)).unwrap();
    assert_eq!((d.ttl(b"a"), d.ttl(b"x")), (Some(Some(SECOND)), None));
    advance(SECOND / 2);
    assert_eq!(d.incr(b"a", 1.0, Some(0.0), Some(SECOND)), Ok(2.0), "counting does not prolong it");
    assert_eq!(d.compare_and_swap(b"a", &2.0.into(), 3.0.into(), None), Ok(true), "nor does a swap");
    assert_eq!(d.ttl(b"a"), Some(Some(SECOND / 2)));
    advance(SECOND / 2);
    assert_eq!((d.get(b"a"), d.keys(b"", 9).keys.len()), (None, 0));
    assert_eq!(d.add(b"a", 1.0.into(), Some(SECOND)), Ok(true));
    assert!(d.expire(b"a", None) && !d.expire(b"x", None));
    advance(SECOND * 2);
    assert_eq!(d.ttl(b"a"), Some(None));
}

#[test]
fn keys_are_listed_by_their_beginning() {
    let d = dictionary(64 << 20);
    assert!(d.shards.len() > 1);
    for n in 0..100 {
        d.set(format!("{}:{n}", n % 2).as_bytes(), f64::from(n).into(), None).unwrap();
    }
    assert_eq!((d.keys(b"1:", 99).keys.len(), d.keys(b"1:", 99).complete), (50, true));
    assert_eq!((d.keys(b"1:", 9).keys.len(), d.keys(b"1:", 9).complete), (9, false));
    assert!(d.keys(b"1:", 50).complete);
    d.flush();
    assert_eq!((d.len(), d.bytes(), d.size()), (0, 0, 64 << 20));
}

#[test]
fn bytes_are_bounded_and_the_longest_unused_goes() {
    let d = dictionary(64 << 10);
    let value = || Plain::from(&[b'x'; 1000][..]);
    for n in 0..1_000 {
        d.set(format!("{n}").as_bytes(), value(), None).unwrap();
        assert!(d.get(b"0").is_some());
        assert!(d.bytes() <= 64 << 10);
    }
    assert!(d.get(b"0").is_some() && d.get(b"1").is_none() && d.get(b"999").is_some());
    assert_eq!(d.evicted() as usize, 1_000 - d.len());
    let before = d.len();
    d.resize(32 << 10);
    assert!(d.len() <= before / 2 + 1 && d.get(b"0").is_some());
    d.resize(1 << 20);
    assert!(d.get(b"0").is_some());
    let huge = Plain::from(&vec![b'x'; 1 << 20][..]);
    assert!(matches!(d.set(b"a", huge, None), Err(DictionaryError::Value(PlainError::TooHeavy { .. }))));
    d.resize(1 << 10);
    assert!(matches!(d.set(b"a", value(), None), Err(DictionaryError::TooLarge { .. })));
    let key = vec![b'k'; DICTIONARY_KEY_BYTES_MAX + 1];
    assert!(matches!(d.set(&key, 1.0.into(), None), Err(DictionaryError::KeyTooLong(_))));
}

#[test]
fn a_bucket_holds_its_burst_and_fills_by_its_rate() {
    freeze();
    let d = dictionary(1 << 20);
    let take = |cost: f64| d.token_bucket(b"client", 10.0, 3.0, cost).unwrap();
    assert_eq!(take(0.0), Taken { allowed: true, remaining: 3.0, retry_after: None });
    assert!(d.is_empty(), "looking leaves nothing");
    for left in [2.0, 1.0, 0.0] {
        assert_eq!(take(1.0), Taken { allowed: true, remaining: left, retry_after: None });
    }
    assert_eq!(take(1.0), Taken { allowed: false, remaining: 0.0, retry_after: Some(SECOND / 10) });
    advance(SECOND / 10);
    assert!(take(1.0).allowed && !take(1.0).allowed);
    advance(SECOND / 5);
    assert_eq!(take(3.0).retry_after, Some(SECOND / 10));
    assert_eq!(take(4.0), Taken { allowed: false, remaining: 2.0, retry_after: None });
    advance(SECOND * 60);
    assert_eq!(take(0.0).remaining, 3.0);
    assert_eq!(d.keys(b"", 9).keys.len(), 0, "a full bucket is no entry");
    for (rate, burst, cost) in
        [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, -1.0), (f64::NAN, 1.0, 1.0), (1.0, 1.0, f64::NAN)]
    {
        assert!(d.token_bucket(b"x", rate, burst, cost).is_err());
    }
    d.set(b"text", "x".into(), None).unwrap();
    assert_eq!(d.token_bucket(b"text", 1.0, 1.0, 1.0), Err(DictionaryError::NotANumber));
}

#[test]
fn many_threads_agree() {
    let d = dictionary(1 << 20);
    let (allowed, added) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
    let count = |counter: &std::sync::atomic::AtomicUsize, yes: bool| {
        counter.fetch_add(usize::from(yes), std::sync::atomic::Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..2_000 {
                    d.incr(b"n", 1.0, Some(0.0), None).unwrap();
                    count(&added, d.add(format!("once:{n}").as_bytes(), true.into(), None).unwrap());
                    count(&allowed, d.token_bucket(b"bucket", 1e-6, 500.0, 1.0).unwrap().allowed);
                    loop {
                        let there = d.get(b"swapped").unwrap_or_default();
                        let next = match there {
                            Plain::Number(number) => number + 1.0,
                            _ => 1.0,
                        };
                        if d.compare_and_swap(b"swapped", &there, next.into(), None).unwrap() {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!((d.get(b"n"), d.get(b"swapped")), (Some(8_000.0.into()), Some(8_000.0.into())));
    assert_eq!((allowed.into_inner(), added.into_inner()), (500, 2_000));
}

#[test]
fn a_name_stays_as_long_as_somebody_uses_it() {
    let all = Dictionaries::new();
    let first = all.open("counters", 1 << 20);
    first.set(b"a", 1.0.into(), None).unwrap();
    let again = all.open("counters", 2 << 20);
    assert!(Arc::ptr_eq(&first, &again) && again.size() == 1 << 20, "its size is changed by whoever commits");
    assert_eq!(all.living().len(), 1);
    drop((first, again));
    assert!(all.living().is_empty());
    assert_eq!(all.open("counters", 1 << 20).get(b"a"), None);
}
