//! The code on a page, as a program.

use crate::common::{Link, build_c, scratch_dir, succeed, text};
use std::fs;
use std::process::Command;

const BEGINNING: &str = r#"
#include "radam.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pages leave out the handling of errors. A call that fails leaves a new message behind, which stays. */
static void end_block(const char *page, int block, int may_fail) {
  static char known[2048];
  char message[2048];
  radam_last_error(NULL, message, sizeof message);
  if (strcmp(known, message) != 0 && !may_fail) {
    fprintf(stderr, "%s, block %d: %s\n", page, block, message);
    exit(1);
  }
  strcpy(known, message);
}
"#;

/// What sections use and do not declare: an optimizer with a small parameter, and options for others.
pub fn declared() -> &'static str {
    r#"
  enum { len = 4096, num_parameters = 4 };
  static float weight[len], grad[len], params[num_parameters], grads[num_parameters];
  radam_optimizer *opt;
  uint32_t group;
  radam_group_options options;
  radam_step_options step;
  radam_step_report report;
  radam_create(NULL, &opt);
  radam_group_options_init(&options, sizeof options);
  radam_step_options_init(&step, sizeof step);
  radam_step_report_init(&report, sizeof report);
  options.lr = 1e-3;
  radam_add_param_group(opt, &options, NULL, 0, &group);
  radam_add_param(opt, 0, RADAM_DTYPE_F32, 0, weight, grad, len, "weight", NULL);
  (void)params, (void)grads;
"#
}

/// Compiles and runs the blocks in C, one after another in `main` after these declarations. Together they must print
/// the blocks of text, and no call may fail except in a block that looks at the error itself.
pub fn run(name: &str, declarations: &str, markdown: &str) {
    let blocks: Vec<&str> = fenced(markdown, "c");
    let (functions, statements): (Vec<_>, Vec<_>) = blocks
        .into_iter()
        .partition(|block| block.starts_with("static ") || block.starts_with('#'));
    let mut source =
        format!("{BEGINNING}{}int main(void) {{{declarations}{{\n", functions.concat());
    for (number, block) in (0..).zip([""].into_iter().chain(statements)) {
        let may_fail = i32::from(block.contains("radam_last_error"));
        source += &format!("{block}end_block(\"{name}\", {number}, {may_fail});\n");
    }
    source += "}\n}\n";
    let path = scratch_dir("docs").join(format!("{name}.c"));
    fs::write(&path, source).unwrap();
    let program = build_c(path.to_str().unwrap(), Link::Shared);
    let printed = text(&succeed(Command::new(program).current_dir(scratch_dir("docs"))));
    assert_eq!(printed, fenced(markdown, "text").concat(), "{name} prints something else");
}

fn fenced<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    markdown.split(&start).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}
