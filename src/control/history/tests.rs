//! What history keeps, forgets and survives, on a real disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

fn inputs(text: &str) -> Inputs {
    let bytes = Content::Bytes(text.as_bytes().into());
    let key = Content::Reference("/keys/site.key".into());
    let files = BTreeMap::from([("gatewright.yaml".into(), bytes), ("site.key".into(), key)]);
    Inputs { main: "gatewright.yaml".into(), files }
}

fn record(history: &mut History, number: u64, text: &str) -> Made {
    let cause = Cause::of("file change").by(Some("uid 1"));
    history.record(New { number, cause, inputs: &inputs(text), origin: None })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let mut history = History::open(&folder);
    assert_eq!(history.number_of(&inputs("one")), 1);
    let made = record(&mut history, 1, "one");
    record(&mut history, 2, "two");
    assert_eq!(made.before, None);
    history.pin(Some(2));
    history.keep_switches(Some(&json!({ "login": { "to": "off" } })));
    let again = History::open(&folder);
    assert_eq!(again.made(), history.made());
    assert_eq!(again.inputs(1).unwrap(), inputs("one"));
    assert_eq!((again.pinned(), again.last_number(), again.trouble()), (Some(2), 2, None));
    assert_eq!(again.switches().unwrap()["login"]["to"], "off");
    assert_eq!(again.number_of(&inputs("two")), 2, "the same files go on as the same generation");
    assert_eq!(again.number_of(&inputs("one")), 3);
    assert!(again.inputs(9).unwrap_err().contains("kept are 1 to 2"));
    history.pin(None);
    assert_eq!(History::open(&folder).pinned(), None);
}

#[test]
fn nobody_else_may_look_and_no_key_is_there() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    record(&mut History::open(&folder), 1, "one");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [&folder, &folder.join("blobs"), &folder.join("generations")] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    let all = files(&folder);
    assert_eq!(all.len(), 2, "one blob and one manifest: {all:?}");
    assert!(all.iter().all(|path| mode(path) == 0o600));
}

#[test]
fn a_damaged_blob_is_not_loaded() {
    let home = tempfile::tempdir().unwrap();
    let mut history = History::open(home.path());
    record(&mut history, 1, "one");
    let blob = files(&home.path().join("blobs")).remove(0);
    fs::write(&blob, "two").unwrap();
    assert!(history.inputs(1).unwrap_err().contains("damaged"));
    fs::write(home.path().join("generations/1.json"), "{}").unwrap();
    assert!(History::open(home.path()).made().is_empty());
}

#[test]
fn a_disk_that_cannot_be_written_costs_nothing_but_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    // A file where the folder should be: not even root can write below it.
    fs::write(&folder, "").unwrap();
    let mut history = History::open(&folder);
    let failed = history.failures();
    record(&mut history, 1, "one");
    record(&mut history, 2, "two");
    assert!(history.trouble().is_some() && history.failures() > failed);
    assert_eq!(history.inputs(1).unwrap(), inputs("one"), "it is in memory");
    fs::remove_file(&folder).unwrap();
    record(&mut history, 3, "three");
    assert_eq!(history.trouble(), None);
    assert_eq!(History::open(&folder).inputs(1).unwrap(), inputs("one"), "and written once that is possible");
}

#[test]
fn it_is_bounded_and_keeps_what_differs_longest() {
    let home = tempfile::tempdir().unwrap();
    let mut history = History::open(home.path());
    record(&mut history, 1, "one");
    history.pin(Some(1));
    record(&mut history, 2, "two");
    for number in 3..3 + HISTORY_GENERATIONS_MAX as u64 {
        record(&mut history, number, "three");
    }
    assert_eq!(history.made().len(), HISTORY_GENERATIONS_MAX);
    assert!(history.find(1).is_some() && history.find(2).is_some() && history.find(3).is_none());
    assert_eq!(files(home.path()).len(), HISTORY_GENERATIONS_MAX + 3 + 1, "manifests, three blobs, and the pin");
    let large = "x".repeat(HISTORY_BYTES_MAX / 2);
    for (number, text) in [(200, "a"), (201, "b"), (202, "c")] {
        record(&mut history, number, &format!("{large}{text}"));
    }
    assert!(history.bytes() <= HISTORY_BYTES_MAX as u64);
    assert!(history.find(1).is_some() && history.find(202).is_some() && history.find(200).is_none());
    record(&mut history, 203, &"x".repeat(HISTORY_BYTES_MAX + 1));
    assert!(history.find(203).is_none() && history.trouble().unwrap().contains("larger"));
}

#[test]
fn going_back_twice_never_leads_where_one_came_from() {
    let mut history = History::default();
    for (number, text) in [(1, "one"), (2, "two"), (3, "two"), (4, "bad")] {
        record(&mut history, number, text);
    }
    assert_eq!(history.before(4).unwrap().number, 3);
    let (cause, two) = (Cause::of("rollback"), inputs("two"));
    history.record(New { number: 5, cause, inputs: &two, origin: Some(3) });
    assert_eq!(history.before(5).unwrap().number, 1);
    assert!(history.before(1).is_none());
}

#[test]
fn a_folder_that_comes_later_gets_what_memory_has() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    let mut history = History::default();
    record(&mut history, 1, "one");
    assert_eq!(history.folder(), None);
    history.move_to(Some(&first));
    record(&mut history, 2, "two");
    assert_eq!(History::open(&first).inputs(1).unwrap(), inputs("one"));
    history.move_to(Some(&second));
    record(&mut history, 3, "three");
    assert_eq!(History::open(&second).inputs(2).unwrap(), inputs("two"));
    history.move_to(Some(&first));
    assert_eq!(history.last_number(), 2, "what a folder holds already is what counts there");
}
