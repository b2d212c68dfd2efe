//! The code in C++ in docs/engines.md, which needs the headers of the engines. tests/engines.rs runs programs with them.

use crate::common::{Compiler, read, skip, target_dir};

struct Engine {
    /// Radam's header for it.
    header: &'static str,
    /// The folders of its headers: in `target/engines`, where `make deps` puts them, and those of `header`.
    include: &'static [&'static str],
    flags: &'static str,
    /// What the page uses and does not declare.
    declared: &'static str,
}

const ENGINES: [Engine; 3] = [
    Engine {
        header: "radam_torch.hpp",
        include: &["torch/include", "torch/include/torch/csrc/api/include"],
        flags: "-std=c++20 -fopenmp -Iexamples/engines/libtorch",
        declared: r#"
#include <torch/torch.h>
struct Model : torch::nn::Module { torch::Tensor forward(torch::Tensor); };
struct Batch { torch::Tensor data, target; };
torch::Tensor loss(torch::Tensor, torch::Tensor);
extern std::shared_ptr<Model> model;
extern std::unique_ptr<std::vector<Batch>> loader;
"#,
    },
    Engine {
        header: "radam_ens.hpp",
        include: &["ensmallen/usr/include"],
        flags: "-std=c++17 -Iexamples/engines/ensmallen",
        declared: r#"
struct Function {
  std::size_t NumFunctions() const;
  void Shuffle();
  double Evaluate(const arma::mat&, std::size_t, std::size_t) const;
  void Gradient(const arma::mat&, std::size_t, arma::mat&, std::size_t) const;
};
extern Function function;
extern arma::mat coordinates;
extern double stepSize, tolerance;
extern std::size_t batchSize, maxIterations;
"#,
    },
    Engine {
        header: "radam_ggml.hpp",
        include: &["libggml/include"],
        flags: "-std=c++17 -Iexamples/engines/ggml",
        declared: r#"
#include <ggml-cpu.h>
extern ggml_context* context;
extern ggml_cgraph* graph;
extern radam::GroupOptions options;
extern int steps, num_threads;
"#,
    },
];

#[test]
fn code_in_cpp_compiles_with_its_engine() {
    let page = read("docs/engines.md");
    let blocks: Vec<_> =
        page.split("```cpp\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(blocks.len(), ENGINES.len());
    for Engine { header, include, flags, declared } in ENGINES {
        let first_line = format!("#include \"{header}\"\n");
        let block = blocks.iter().find_map(|block| block.strip_prefix(&first_line)).unwrap();
        let folders = include.iter().map(|folder| target_dir().join("engines").join(folder));
        if let Some(missing) = folders.clone().find(|folder| !folder.exists()) {
            skip(&format!(
                "code for {header} in docs/engines.md, which needs {}",
                missing.display()
            ));
            continue;
        }
        let folders = folders.map(|folder| format!("-isystem {}", folder.display()));
        let folders = folders.collect::<Vec<_>>().join(" ");
        let source =
            format!("{first_line}{declared}void snippet();\nvoid snippet() {{\n{block}}}\n");
        let file = header.replace("hpp", "cpp");
        Compiler::cpp().check_syntax(&[flags, "-Wall -Wextra -Werror", &folders], &file, &source);
    }
}
