//! `gatewright test`: tests of policies, offline.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::Test;
use super::exit::Exit;
use crate::config::diagnostic::Diagnostic;
use crate::config::plan::Script;
use crate::config::render::render_all;
use crate::config::source::Sources;
use crate::control::embed::on_event_loop;
use crate::control::watch::Watch;
use crate::lab::{self, Tested, Wanted, report};

/// Runs the tests once, or whenever a file of theirs changes.
pub fn run(asked: &Test, out: &mut dyn Write) -> io::Result<Exit> {
    if !asked.watch {
        return once(asked, out).map(|(exit, _)| exit);
    }
    on_event_loop(async || {
        let mut watch: Option<Watch> = None;
        loop {
            let (_, watched) = once(asked, out)?;
            // What changed while they ran is seen by the watch that was there already.
            let watch = watch.get_or_insert_with(|| Watch::new(watched.clone()));
            watch.replace(watched);
            writeln!(out, "\nwaiting for a change; Ctrl-C ends it")?;
            out.flush()?;
            let _which = watch.changed().await;
            writeln!(out)?;
        }
    })?
}

/// Runs them; also says what to watch.
fn once(asked: &Test, out: &mut dyn Write) -> io::Result<(Exit, Vec<PathBuf>)> {
    let wanted = Wanted {
        places: asked.places.clone(),
        filter: asked.filter.clone(),
        seed: asked.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
        coverage: asked.coverage,
    };
    let mut written = Ok(());
    // A thread of their own: they stop its clock.
    let tested = std::thread::scope(|scope| {
        let (told, rans) = std::sync::mpsc::sync_channel(1);
        let runs = scope.spawn(|| {
            lab::run(&wanted, move |ran| {
                let _nobody_reads = told.send(report::file(ran));
            })
        });
        for text in rans {
            if written.is_ok() {
                written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
        }
        runs.join().unwrap_or_else(|_| Err("the lab has a fault; it is on standard error".to_owned()))
    });
    written?;
    let tested = match tested {
        Ok(tested) => tested,
        Err(why) => {
            writeln!(io::stderr(), "error: {why}")?;
            return Ok((Exit::Usage, asked.places.clone()));
        }
    };
    finish(asked, &wanted, &tested, out)?;
    if tested.files.is_empty() {
        return Ok((Exit::Invalid, asked.places.clone()));
    }
    let wrong = check_types(&tested, out)? || report::failures(&tested) > 0;
    let exit = if wrong { Exit::Invalid } else { Exit::Ok };
    Ok((exit, watched(&tested)))
}

fn finish(asked: &Test, wanted: &Wanted, tested: &Tested, out: &mut dyn Write) -> io::Result<()> {
    if tested.files.is_empty() {
        return writeln!(
            out,
            "no tests: a test of policies/x.lua is policies/x_test.lua; `gatewright new lua x` makes both"
        );
    }
    if asked.coverage {
        writeln!(out)?;
        out.write_all(report::coverage(&tested.covered, true).as_bytes())?;
    }
    writeln!(out)?;
    out.write_all(report::summary(tested).as_bytes())?;
    if report::failures(tested) > 0 {
        writeln!(out, "chance began with --seed {}", wanted.seed)?;
    }
    if let Some(path) = &asked.junit {
        std::fs::write(path, report::junit(tested))?;
    }
    Ok(())
}

/// What is wrong with the types of the scripts that ran, printed; says whether any is an error.
fn check_types(tested: &Tested, out: &mut dyn Write) -> io::Result<bool> {
    let mut scripts: Vec<Arc<Script>> = Vec::new();
    for script in tested.files.iter().flat_map(|ran| ran.outcomes.iter().flatten()).flat_map(|one| &one.scripts) {
        // A test's own inline texts have places in no file.
        if script.main.span.is_none() && !scripts.iter().any(|known| known.main == script.main) {
            scripts.push(script.clone());
        }
    }
    let found = crate::lua::check_scripts(&scripts);
    let mut sources = Sources::from_text("", "");
    for source in
        scripts.iter().flat_map(|one| std::iter::once(&one.main).chain(one.modules.iter().map(|(_, one)| one)))
    {
        sources.remember(&source.name, source.text.to_string());
    }
    if !found.is_empty() {
        writeln!(out)?;
        out.write_all(render_all(&found, &sources, false).as_bytes())?;
    }
    Ok(found.iter().any(Diagnostic::is_error))
}

/// The test files, and every file their configurations were made of.
fn watched(tested: &Tested) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for ran in &tested.files {
        all.push(ran.path.clone());
        let name = ran.path.file_name().unwrap_or_default().to_string_lossy().replacen("_test.", ".", 1);
        all.push(ran.path.with_file_name(name));
        all.extend(ran.outcomes.iter().flatten().flat_map(|outcome| outcome.inputs.clone()));
    }
    all.sort();
    all.dedup();
    all
}
