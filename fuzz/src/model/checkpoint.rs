//! What a checkpoint has, and what loading takes over.

use super::Status;
use super::contents::Contents;
use super::conversion;
use super::optimizer::Optimizer;
use super::options::{Compensation, Kind, checked};
use radam::ffi::*;
use std::ffi::CString;
use std::fs;

/// A checkpoint in memory, and perhaps in a file, which is removed with it.
pub struct Saved {
    pub bytes: Vec<u8>,
    pub path: Option<CString>,
}

impl Drop for Saved {
    fn drop(&mut self) {
        if let Some(path) = self.path.as_ref().and_then(|path| path.to_str().ok()) {
            let _ = fs::remove_file(path);
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub is_biased: bool,
    pub accumulates: bool,
    pub groups: Vec<GroupEntry>,
    pub params: Vec<Entry>,
    pub tensors: Vec<Stored>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GroupEntry {
    /// lr, beta1, beta2, weight_decay, eps, max_lr, rectify_threshold.
    pub numbers: [f64; 7],
    /// decouple_wd, decouple_lr, maximize, rectify, unrectified, stochastic_rounding.
    pub toggles: [radam_toggle; 6],
    pub seed: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub name: String,
    pub group: u64,
    pub len: u64,
    pub offset: u64,
    pub total_len: u64,
    pub step: u64,
    pub frozen: bool,
    /// Whether it says so, which loading does not depend on.
    pub coded: bool,
    pub checksums: Vec<(&'static str, u32)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub name: String,
    pub dtype: String,
    pub bytes: Vec<u8>,
}

impl GroupEntry {
    pub fn of(options: &radam_group_options) -> Self {
        let o = options;
        Self {
            numbers: [o.lr, o.beta1, o.beta2, o.weight_decay, o.eps, o.max_lr, o.rectify_threshold],
            toggles: [
                o.decouple_wd,
                o.decouple_lr,
                o.maximize,
                o.rectify,
                o.unrectified,
                o.stochastic_rounding,
            ],
            seed: o.seed,
        }
    }

    fn apply(&self, o: &mut radam_group_options) {
        [o.lr, o.beta1, o.beta2, o.weight_decay, o.eps, o.max_lr, o.rectify_threshold] =
            self.numbers;
        [o.decouple_wd, o.decouple_lr, o.maximize, o.rectify, o.unrectified, _] = self.toggles;
        o.seed = self.seed;
    }

    /// Zeroed betas and eps are fine in a file, though not in a struct.
    fn checked(&self, before: &radam_group_options) -> Result<radam_group_options, Status> {
        let mut options = *before;
        self.apply(&mut options);
        let mut nonzero = options;
        if [options.beta1, options.beta2, options.eps] == [0.0; 3] {
            nonzero.eps = 1.0;
        }
        checked(nonzero).map(|_| options).map_err(|_| RADAM_ERROR_MISMATCH)
    }
}

/// The arrays of a state, as checkpoints name them.
pub fn arrays(kind: Kind) -> Vec<(usize, &'static str)> {
    let third = match kind.compensation {
        Compensation::Remainder => "master_remainder",
        _ => "kahan_comp",
    };
    let names = ["exp_avg", "exp_avg_sq", third, "state_scale"];
    (0..4)
        .filter(|index| kind.dtypes()[*index].is_some())
        .map(|index| (index, names[index]))
        .collect()
}

impl Optimizer {
    /// What a checkpoint of it has.
    pub fn file(&self, contents: &Contents) -> File {
        let mut file = File {
            is_biased: false,
            accumulates: self.accumulation == RADAM_ON,
            groups: self.groups.iter().map(GroupEntry::of).collect(),
            params: Vec::new(),
            tensors: Vec::new(),
        };
        for (id, param) in self.living() {
            let mut checksums = Vec::new();
            for (index, name) in arrays(param.kind) {
                let Some(array) = param.state[index].filter(|_| param.len > 0) else { continue };
                let bytes = contents.bytes(array).to_vec();
                checksums.push((name, crc32fast::hash(&bytes)));
                let name = format!("{}.{name}", self.name(id));
                file.tensors.push(Stored { name, dtype: array.dtype.name().to_owned(), bytes });
            }
            file.params.push(Entry {
                name: self.name(id),
                group: param.group as u64,
                len: param.len as u64,
                offset: param.offset(),
                total_len: param.total_len(),
                step: param.steps,
                frozen: param.frozen,
                coded: param.kind.coded,
                checksums,
            });
        }
        file
    }

    pub fn load(
        &mut self,
        files: &[File],
        (strict, hyperparameters, converts): (bool, bool, bool),
        contents: &mut Contents,
    ) -> Result<(), Status> {
        const MISMATCH: Result<(), Status> = Err(RADAM_ERROR_MISMATCH);
        let before = self.clone();
        let mut entries: Vec<Option<&GroupEntry>> = vec![None; self.groups.len()];
        for (id, param) in before.living() {
            let name = before.name(id);
            let mut pieces: Vec<_> =
                files.iter().flat_map(|file| file.params.iter().map(move |e| (file, e))).collect();
            pieces.retain(|(_, entry)| entry.name == name);
            pieces.sort_by_key(|(_, entry)| entry.offset);
            if pieces.is_empty() && strict {
                return MISMATCH;
            }
            if pieces.iter().any(|(_, entry)| entry.total_len != param.total_len()) {
                return MISMATCH;
            }
            let (start, end) = (param.offset(), param.offset() + param.len as u64);
            let mut next = start;
            let mut used: Vec<(&File, &Entry)> = Vec::new();
            for (file, entry) in &pieces {
                let is_first_of_nothing = start == end && used.is_empty();
                let adds = entry.offset + entry.len > next && entry.offset < end;
                if adds && entry.offset > next {
                    break;
                }
                if adds || is_first_of_nothing {
                    used.push((file, entry));
                    next = next.max(entry.offset + entry.len);
                }
            }
            if next < end && !pieces.is_empty() {
                return MISMATCH;
            }
            let eps = |entry: &GroupEntry| {
                let eps = self.groups[param.group].eps;
                converts.then_some(if hyperparameters { entry.numbers[4] } else { eps })
            };
            conversion::take(&used, param, eps, contents)?;
            for (file, entry) in &used {
                let group = &file.groups[entry.group as usize];
                if *entries[param.group].get_or_insert(group) != group && hyperparameters {
                    return MISMATCH;
                }
            }
            if let Some((_, first)) = used.first() {
                if used.iter().any(|(_, entry)| entry.step != first.step) {
                    return MISMATCH;
                }
                self.params[id].steps = first.step;
                if hyperparameters {
                    self.params[id].frozen = first.frozen;
                }
            }
        }
        let names: Vec<_> = before.living().map(|(id, _)| before.name(id)).collect();
        if strict && files.iter().flat_map(|f| &f.params).any(|entry| !names.contains(&entry.name))
        {
            return MISMATCH;
        }
        if hyperparameters {
            self.accumulation = if files[0].accumulates { RADAM_ON } else { RADAM_OFF };
            for (group, entry) in self.groups.iter_mut().zip(entries) {
                let Some(entry) = entry else { continue };
                let stochastic = entry.toggles[5] == RADAM_ON;
                if stochastic != (group.stochastic_rounding == RADAM_ON) {
                    return MISMATCH;
                }
                *group = entry.checked(group)?;
            }
        }
        files.iter().try_for_each(verify)
    }
}

/// Every tensor has its checksum, and the manifest lists all.
fn verify(file: &File) -> Result<(), Status> {
    let mut listed = 0;
    for (entry, (array, checksum)) in
        file.params.iter().flat_map(|e| e.checksums.iter().map(move |c| (e, c)))
    {
        let tensor = find(file, entry, array).ok_or(RADAM_ERROR_CORRUPT)?;
        if crc32fast::hash(&tensor.bytes) != *checksum {
            return Err(RADAM_ERROR_CORRUPT);
        }
        listed += 1;
    }
    if listed == file.tensors.len() { Ok(()) } else { Err(RADAM_ERROR_CORRUPT) }
}

pub fn find<'a>(file: &'a File, entry: &Entry, array: &str) -> Option<&'a Stored> {
    let name = format!("{}.{array}", entry.name);
    file.tensors.iter().find(|tensor| tensor.name == name)
}
