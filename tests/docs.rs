//! The pages in `docs/`: their code runs and prints what they say, their links lead somewhere, and the reference of the
//! headers builds without a warning.

mod common;
#[path = "docs/engines.rs"]
mod engines;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/snippets.rs"]
mod snippets;

use common::{has_program, repository, skip, succeed, target_dir};
use snippets::{declared, run};
use std::fs;
use std::process::Command;

/// The names of the pages, without `docs/`.
fn pages() -> Vec<String> {
    let folder = fs::read_dir(repository().join("docs")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    pages.sort();
    pages
}

/// From its first block of code to its last, the tour is one program.
#[test]
fn the_tour_runs_and_prints_what_it_says() {
    run("tour", "", &common::read("docs/tour.md"));
}

/// On the other pages, each section is a program, in which the names of the README's training loop are declared. That of
/// gpu.md would need a GPU; tests/examples.rs compiles it.
#[test]
fn code_on_all_other_pages_runs_and_prints_what_they_say() {
    let mut programs = 0;
    for page in pages().iter().filter(|page| !["tour.md", "gpu.md"].contains(&page.as_str())) {
        for (number, section) in common::read(&format!("docs/{page}")).split("\n## ").enumerate() {
            if section.contains("```c\n") {
                run(&format!("{}{number}", page.trim_end_matches(".md")), declared(), section);
                programs += 1;
            }
        }
    }
    assert!(programs >= 12, "only {programs} programs");
}

#[test]
fn every_page_is_in_the_index() {
    let index = common::read("docs/README.md");
    for page in pages().iter().filter(|page| *page != "README.md") {
        assert!(index.contains(&format!("]({page})")), "docs/README.md has no link to {page}");
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages().into_iter().map(|page| format!("docs/{page}"));
    let others = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned);
    let broken: Vec<_> = pages.chain(others).flat_map(|page| links::broken(&page)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Also that it is not empty: what the header says of a function is in it.
#[test]
fn reference_builds_without_warnings() {
    if !has_program("doxygen") {
        return skip("the reference of the headers, for which Doxygen is not installed");
    }
    let mut make = Command::new("make");
    make.current_dir(repository()).args(["docs", &format!("CARGO={}", env!("CARGO"))]);
    succeed(make.env("CARGO_TARGET_DIR", target_dir()));
    let folder = target_dir().join("docs/reference");
    let of_c = fs::read_to_string(folder.join("radam_8h.html")).unwrap();
    assert!(of_c.contains("Updates every parameter that has a gradient"), "radam_step has no text");
    let of_cpp = fs::read_to_string(folder.join("classradam_1_1BasicOptimizer.html")).unwrap();
    assert!(of_cpp.contains("add_param_group") || of_cpp.contains("add_group"));
    assert!(target_dir().join("doc/radam/index.html").exists(), "no documentation of the crate");
}
