//! Whether checkpoints fit an optimizer, and what it takes over of them.

use super::convert::Conversion;
use super::json::Shown;
use super::load::LoadOptions;
use super::manifest::{GroupEntry, owned};
use super::pieces::{File, Pieces, Problems};
use super::push;
use super::transfer::{Bytes, Transfer};
use crate::error::{Result, reserve};
use crate::optimizer::{Group, Optimizer, Restored, Toggle};

/// What loading will do.
pub(super) struct Fit {
    pub transfers: Vec<Transfer>,
    pub conversions: Vec<Conversion>,
    /// What the optimizer is to take over besides.
    pub restored: Restored,
}

impl Fit {
    pub fn of(optimizer: &Optimizer, files: &[File], options: &LoadOptions) -> Result<Self> {
        let LoadOptions { strict, hyperparameters, convert_state, .. } = *options;
        let pieces = Pieces::of(files)?;
        let mut problems = Problems::new();
        let (mut bytes, mut params) = (Bytes::default(), Vec::new());
        let (mut groups, mut entries) = (Vec::new(), Vec::new());
        reserve(&mut groups, optimizer.groups().len(), "groups")?;
        reserve(&mut entries, optimizer.groups().len(), "groups")?;
        groups.extend_from_slice(optimizer.groups());
        entries.resize(groups.len(), None);
        for (id, param) in optimizer.params() {
            let name = owned(param.name(id))?;
            if strict && pieces.of_name(&name).is_empty() {
                problems.add(format_args!("the file lacks \"{}\"", Shown(&name)));
            }
            let used = pieces.cover(&name, param, &mut problems)?;
            for piece in &used {
                let eps = groups[param.group as usize].eps;
                let eps = if hyperparameters { piece.group().eps } else { eps };
                let eps = convert_state.then_some(eps);
                bytes.add(id, param, piece, eps, &mut problems)?;
                let entry = entries[param.group as usize].get_or_insert(piece.group());
                if *entry != piece.group() && hyperparameters {
                    problems.add(format_args!(
                        "in the file, \"{}\" has other options than other parameters of group {}",
                        Shown(&name),
                        param.group
                    ));
                }
            }
            if let Some(first) = used.first() {
                if used.iter().any(|piece| piece.entry.step != first.entry.step) {
                    let name = Shown(&name);
                    problems.add(format_args!(
                        "\"{name}\" has different step counts in different files"
                    ));
                }
                let frozen = if hyperparameters { first.entry.frozen } else { param.is_frozen() };
                push(&mut params, (id, first.entry.step, frozen))?;
            }
        }
        if strict {
            pieces.add_unexpected(optimizer, &mut problems)?;
        }
        let mut accumulation = optimizer.accumulation();
        if hyperparameters {
            if let Some((_, manifest)) = files.first() {
                let accumulates = manifest.optimizer_accumulation;
                accumulation = if accumulates { Toggle::On } else { Toggle::Off };
            }
            for (id, (group, entry)) in groups.iter_mut().zip(entries).enumerate() {
                entry.into_iter().for_each(|entry| apply(id, entry, group, &mut problems));
            }
        }
        problems.check()?;
        let Bytes { transfers, conversions } = bytes;
        Ok(Self { transfers, conversions, restored: Restored { params, groups, accumulation } })
    }
}

/// Gives a group the options that it has in the file.
fn apply(id: usize, entry: &GroupEntry, group: &mut Group, problems: &mut Problems) {
    let stochastic_rounding = entry.stochastic_rounding.or(false);
    if stochastic_rounding != group.stochastic_rounding.or(false) {
        let [there, here] = if stochastic_rounding { ["on", "off"] } else { ["off", "on"] };
        problems.add(format_args!(
            "stochastic_rounding of group {id} is {there} in the file and {here} in the optimizer"
        ));
    }
    entry.apply(group);
    match group.clone().checked() {
        Ok(checked) => *group = checked,
        Err(error) => problems.add(format_args!("in group {id}, {}", error.message)),
    }
}
