//! Links between the files of this repository.

use crate::common::{read, repository};
use std::path::Path;

/// The links of a page that lead to no file, or to no heading of it.
pub fn broken(page: &str) -> Vec<String> {
    let folder = Path::new(page).parent().unwrap();
    let text = read(page);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let local = targets.map(|(target, _)| target).filter(|target| !target.contains("://"));
    let is_broken = |target: &&str| {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let file = if path.is_empty() { page.into() } else { folder.join(path) };
        !repository().join(&file).exists()
            || (!heading.is_empty() && !has_heading(&read(file.to_str().unwrap()), heading))
    };
    local.filter(is_broken).map(|target| format!("{page}: {target}")).collect()
}

/// By the names that GitHub gives to headings: small letters, digits, hyphens for spaces, and nothing else.
fn has_heading(text: &str, name: &str) -> bool {
    let is_kept = |c: &char| c.is_alphanumeric() || *c == '-' || *c == '_';
    text.lines().filter(|line| line.starts_with('#')).any(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(is_kept).eq(name.chars())
    })
}
