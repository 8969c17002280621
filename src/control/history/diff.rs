//! A unified diff of the files of two generations.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::config::files::{Content, Inputs};
use crate::limits::{DIFF_BYTES_MAX, DIFF_EDITS_MAX};

/// Lines shown around a change.
const AROUND: usize = 3;

/// What is done with a line, and its place in the text that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep(usize, usize),
    Remove(usize),
    Add(usize),
}

/// Everything in which two generations differ; each is named as given.
#[must_use]
pub fn diff((old_name, old): (&str, &Inputs), (new_name, new): (&str, &Inputs)) -> String {
    let mut out = String::new();
    let paths: BTreeSet<_> = old.files.keys().chain(new.files.keys()).collect();
    for path in paths {
        let (before, after) = (old.files.get(path), new.files.get(path));
        if before == after {
            continue;
        }
        let shown = path.display();
        let head = |there: Option<&Content>, name: &str| match there {
            Some(_) => format!("{name}/{shown}"),
            None => "/dev/null".to_owned(),
        };
        let (from, to) = (head(before, old_name), head(after, new_name));
        match (text(before), text(after)) {
            (Some(before), Some(after)) => {
                let _infallible = write!(out, "--- {from}\n+++ {to}\n");
                hunks(before, after, &mut out);
            }
            _ => {
                let reference = [before, after].into_iter().flatten().any(|one| matches!(one, Content::Reference(_)));
                let what = if reference { "kept by reference only" } else { "not text" };
                let _infallible = writeln!(out, "{from} and {to} differ: {what}");
            }
        }
        if out.len() > DIFF_BYTES_MAX {
            let mut end = DIFF_BYTES_MAX;
            while !out.is_char_boundary(end) {
                end -= 1;
            }
            out.truncate(end);
            out.push_str("\nmore differs than is shown\n");
            break;
        }
    }
    out
}

fn text(content: Option<&Content>) -> Option<&str> {
    match content {
        None => Some(""),
        Some(Content::Bytes(bytes)) => std::str::from_utf8(bytes).ok(),
        Some(Content::Reference(_)) => None,
    }
}

fn hunks(old: &str, new: &str, out: &mut String) {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let edits = edits(&old, &new);
    let changes: Vec<usize> = (0..edits.len()).filter(|at| !matches!(edits[*at], Edit::Keep(..))).collect();
    let mut rest = changes.as_slice();
    while let Some(&first) = rest.first() {
        let near = rest.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * AROUND).count();
        let last = rest[near];
        rest = &rest[near + 1..];
        let hunk = &edits[first.saturating_sub(AROUND)..(last + AROUND + 1).min(edits.len())];
        let (before, after) = (range(hunk, true), range(hunk, false));
        let _infallible = writeln!(out, "@@ -{before} +{after} @@");
        for edit in hunk {
            let (sign, line) = match *edit {
                Edit::Keep(at, _) => (' ', old[at]),
                Edit::Remove(at) => ('-', old[at]),
                Edit::Add(at) => ('+', new[at]),
            };
            out.push(sign);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
}

/// `first line, number of lines` of one side.
fn range(hunk: &[Edit], of_old: bool) -> String {
    let place = |edit: &Edit| match (*edit, of_old) {
        (Edit::Keep(at, _) | Edit::Remove(at), true) | (Edit::Keep(_, at) | Edit::Add(at), false) => Some(at),
        _ => None,
    };
    let mut places = hunk.iter().filter_map(place);
    match places.next() {
        Some(first) => format!("{},{}", first + 1, places.count() + 1),
        None => "0,0".into(),
    }
}

/// The fewest edits from one to the other (Myers, "An O(ND) difference algorithm"); where they are too many to look for,
/// all of the middle is replaced.
fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (from, to) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut edits: Vec<Edit> = (0..head).map(|at| Edit::Keep(at, at)).collect();
    match trace(from, to) {
        Some(trace) => edits.extend(walk(&trace, from.len(), to.len()).into_iter().map(|edit| match edit {
            Edit::Keep(a, b) => Edit::Keep(a + head, b + head),
            Edit::Remove(a) => Edit::Remove(a + head),
            Edit::Add(b) => Edit::Add(b + head),
        })),
        None => {
            edits.extend((head..old.len() - tail).map(Edit::Remove));
            edits.extend((head..new.len() - tail).map(Edit::Add));
        }
    }
    edits.extend((0..tail).map(|at| Edit::Keep(old.len() - tail + at, new.len() - tail + at)));
    edits
}

/// For each number of edits how far one gets on each diagonal, from -d to d.
fn trace(old: &[&str], new: &[&str]) -> Option<Vec<Vec<usize>>> {
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for d in 0..=(old.len() + new.len()).min(DIFF_EDITS_MAX) {
        let before = trace.last();
        // Diagonal k of the round before stands at k + (d - 1).
        let reached = |k: isize| before.and_then(|row| row.get(usize::try_from(k + d as isize - 1).ok()?).copied());
        let mut row = vec![0; 2 * d + 1];
        for k in (-(d as isize)..=d as isize).step_by(2) {
            let mut a = match (reached(k - 1), reached(k + 1)) {
                _ if d == 0 => 0,
                (left, Some(down)) if k == -(d as isize) || (k != d as isize && left.is_some_and(|l| l < down)) => down,
                (left, _) => left.unwrap_or(0) + 1,
            };
            while let (Some(x), Some(y)) = (old.get(a), usize::try_from(a as isize - k).ok().and_then(|b| new.get(b)))
                && x == y
            {
                a += 1;
            }
            row[usize::try_from(k + d as isize).unwrap_or(0)] = a;
            if a >= old.len() && a as isize - k >= new.len() as isize {
                trace.push(row);
                return Some(trace);
            }
        }
        trace.push(row);
    }
    None
}

/// Back from the end to the beginning.
fn walk(trace: &[Vec<usize>], mut a: usize, mut b: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    for d in (1..trace.len()).rev() {
        let k = a as isize - b as isize;
        let reached = |k: isize| usize::try_from(k + d as isize - 1).ok().and_then(|at| trace[d - 1].get(at)).copied();
        let down = k == -(d as isize)
            || (k != d as isize && reached(k - 1).zip(reached(k + 1)).is_some_and(|(left, down)| left < down));
        let (before_k, before_a) =
            if down { (k + 1, reached(k + 1).unwrap_or(0)) } else { (k - 1, reached(k - 1).unwrap_or(0)) };
        let before_b = usize::try_from(before_a as isize - before_k).unwrap_or(0);
        // After the one edit everything is equal.
        let (edited_a, edited_b) = (before_a + usize::from(!down), before_b + usize::from(down));
        while a > edited_a && b > edited_b {
            (a, b) = (a - 1, b - 1);
            edits.push(Edit::Keep(a, b));
        }
        edits.push(if down { Edit::Add(before_b) } else { Edit::Remove(before_a) });
        (a, b) = (before_a, before_b);
    }
    edits.extend((0..a).rev().map(|at| Edit::Keep(at, at)));
    edits.reverse();
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn inputs(text: &str) -> Inputs {
        Inputs { main: "a".into(), files: BTreeMap::from([("a".into(), Content::Bytes(text.as_bytes().into()))]) }
    }

    #[test]
    fn shows_what_changed_with_its_surroundings() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 3\n", "line three\n").replace("line 18\n", "").replace("line 20\n", "line 20");
        let shown = diff(("generation 1", &inputs(&old)), ("generation 2", &inputs(&new)));
        let expected = "--- generation 1/a\n+++ generation 2/a\n@@ -1,6 +1,6 @@\n line 1\n line 2\n-line 3\n\
            +line three\n line 4\n line 5\n line 6\n@@ -15,6 +15,5 @@\n line 15\n line 16\n line 17\n-line 18\n\
            \x20line 19\n-line 20\n+line 20\n\\ No newline at end of file\n";
        assert_eq!(shown, expected);
        assert_eq!(diff(("x", &inputs(&old)), ("y", &inputs(&old))), "");
    }

    #[test]
    fn files_that_come_and_go_and_such_that_are_not_shown() {
        let none = Inputs::default();
        assert_eq!(diff(("x", &none), ("y", &inputs("one\n"))), "--- /dev/null\n+++ y/a\n@@ -0,0 +1,1 @@\n+one\n");
        assert_eq!(diff(("x", &inputs("one\n")), ("y", &none)), "--- x/a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-one\n");
        let mut key = none;
        key.files.insert("a".into(), Content::Reference("/a".into()));
        assert_eq!(diff(("x", &key), ("y", &inputs("one\n"))), "x/a and y/a differ: kept by reference only\n");
        key.files.insert("a".into(), Content::Bytes(vec![0xff].into()));
        assert_eq!(diff(("x", &key), ("y", &inputs("one\n"))), "x/a and y/a differ: not text\n");
    }

    #[test]
    fn every_pair_of_short_texts_is_right_and_shortest() {
        let texts: Vec<Vec<&str>> = (0..4_usize.pow(5))
            .map(|n| (0..5).map(|at| ["a", "b", "c", ""][n / 4_usize.pow(at) % 4]).filter(|l| !l.is_empty()).collect())
            .collect();
        for old in texts.iter().step_by(7) {
            for new in texts.iter().step_by(5) {
                let edits = edits(old, new);
                let rebuilt: Vec<&str> = edits
                    .iter()
                    .filter_map(|edit| match *edit {
                        Edit::Keep(a, b) => (old[a] == new[b]).then(|| old[a]),
                        Edit::Add(b) => Some(new[b]),
                        Edit::Remove(_) => None,
                    })
                    .collect();
                assert_eq!(&rebuilt, new, "{old:?}");
                let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
                for (a, x) in old.iter().enumerate() {
                    for (b, y) in new.iter().enumerate() {
                        let longer = common[a][b + 1].max(common[a + 1][b]);
                        common[a + 1][b + 1] = if x == y { common[a][b] + 1 } else { longer };
                    }
                }
                let kept = edits.iter().filter(|edit| matches!(edit, Edit::Keep(..))).count();
                assert_eq!(kept, common[old.len()][new.len()], "{old:?} {new:?}");
            }
        }
    }
}
