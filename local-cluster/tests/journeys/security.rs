//! The page about security against the tests: every one that it names is there.

use std::{collections::BTreeSet, fs, path::Path};

/// How many requirements the chapters V6 to V10 of ASVS 5.0.0 have for what this system is, now or under a condition.
const REQUIREMENTS: [usize; 5] = [42, 19, 13, 7, 18];
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../");

/// What stands between backticks and looks like `path/of/a_file.rs::name_of_a_test`.
fn named(page: &str) -> BTreeSet<(&str, &str)> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once(".rs::")).collect()
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let page = fs::read_to_string(format!("{ROOT}docs/SECURITY.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 50, "only {} tests are named", named.len());
    let missing: Vec<_> = named
        .iter()
        .filter(|(file, test)| {
            let source = fs::read_to_string(Path::new(ROOT).join(format!("{file}.rs")));
            !source.is_ok_and(|source| source.contains(&format!("fn {test}(")))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_requirement_has_one_row_with_something_in_it() {
    let page = fs::read_to_string(format!("{ROOT}docs/SECURITY.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let ids: Vec<&str> = rows
        .iter()
        .map(|row| row[0])
        .filter(|id| id.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "a requirement stands twice");
    for (chapter, count) in (6..).zip(REQUIREMENTS) {
        let of_chapter = ids.iter().filter(|id| id.starts_with(&format!("{chapter}.")));
        assert_eq!(of_chapter.count(), count, "V{chapter}");
    }
    for row in rows.iter().filter(|row| ids.contains(&row[0])) {
        assert!(
            row.len() == 3 && row.iter().all(|cell| !cell.is_empty()),
            "{row:?}"
        );
    }
}
