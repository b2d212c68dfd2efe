//! Whether checkpoints fit an optimizer, and which of their bytes go where.

use super::convert::Conversion;
use super::header::{FileDtype, Header};
use super::json::Shown;
use super::load::LoadOptions;
use super::manifest::{GroupEntry, Manifest, Moments, ParamEntry, owned};
use super::order::order_of;
use super::push;
use crate::error::{FallibleWriter, Result, ensure, reserve};
use crate::kernel::Dtype;
use crate::math::BetaPower;
use crate::math::q8;
use crate::optimizer::{
    Compensation, ElementType, Group, NamedArray, Optimizer, Param, Restored, StateArray,
    StateKind, Toggle, check_beta, check_not_negative,
};
use std::fmt::Write;
use std::ops::Range;

/// Bytes of a tensor in a file that replace bytes of an array of a parameter.
pub(super) struct Transfer {
    pub file: usize,
    pub tensor: usize,
    /// Offset in the tensor, in bytes.
    pub from: u64,
    pub param: u32,
    pub array: StateArray,
    /// Offset in the array, in bytes.
    pub to: usize,
    pub bytes: usize,
    /// What to divide the elements by, and their dtype.
    pub debias: Option<(f64, Dtype)>,
    /// Whether a conversion takes the bytes, instead of the array.
    pub is_converted: bool,
}

/// What loading will do.
pub(super) struct Fit {
    pub transfers: Vec<Transfer>,
    pub conversions: Vec<Conversion>,
    /// What the optimizer is to take over besides.
    pub restored: Restored,
}

/// How many problems a message lists.
const LISTED: usize = 10;

/// What does not fit.
struct Problems {
    text: FallibleWriter,
    count: usize,
}

impl Problems {
    fn add(&mut self, problem: std::fmt::Arguments) {
        if self.count < LISTED {
            let separator = if self.count == 0 { "" } else { "; " };
            let _ = write!(self.text, "{separator}{problem}");
        }
        self.count += 1;
    }

    fn check(mut self) -> Result<()> {
        if self.count > LISTED {
            let _ = write!(self.text, "; and {} more", self.count - LISTED);
        }
        let problems = self.text.0;
        ensure!(
            self.count == 0,
            Mismatch,
            "the checkpoint does not fit the optimizer: {problems}; nothing was changed"
        );
        Ok(())
    }
}

/// What a file says about itself.
pub(super) type File<'a> = (&'a Header<'a>, Manifest<'a>);

/// The entry of a parameter, or of a slice of it, in one of the files.
#[derive(Clone, Copy)]
struct Piece<'a> {
    number: usize,
    file: &'a File<'a>,
    entry: &'a ParamEntry<'a>,
}

impl<'a> Piece<'a> {
    fn end(&self) -> u64 {
        self.entry.offset + self.entry.len
    }

    fn group(&self) -> &'a GroupEntry {
        &self.file.1.groups.items[self.entry.group as usize]
    }
}

/// The entries of all files.
struct Pieces<'a> {
    pieces: Vec<Piece<'a>>,
    /// Their numbers, sorted by name and offset.
    order: Vec<u32>,
}

impl<'a> Pieces<'a> {
    fn of(files: &'a [File<'a>]) -> Result<Self> {
        let mut pieces = Vec::new();
        let count = files.iter().map(|(_, manifest)| manifest.params.items.len()).sum();
        reserve(&mut pieces, count, "parameters")?;
        for (number, file) in files.iter().enumerate() {
            let entries = &file.1.params.items;
            pieces.extend(entries.iter().map(|entry| Piece { number, file, entry }));
        }
        let order = order_of(&pieces, |one, other| {
            let (one, other) = (one.entry, other.entry);
            (one.name(), one.offset).cmp(&(other.name(), other.offset))
        })?;
        Ok(Self { pieces, order })
    }

    fn name(&self, number: u32) -> &'a str {
        self.pieces[number as usize].entry.name()
    }

    /// The part of the order that belongs to one parameter.
    fn of_name(&self, name: &str) -> &[u32] {
        let start = self.order.partition_point(|number| self.name(*number) < name);
        let rest = &self.order[start..];
        &rest[..rest.partition_point(|number| self.name(*number) == name)]
    }

    /// The pieces that together cover all elements of a parameter.
    fn cover(&self, name: &str, param: &Param, problems: &mut Problems) -> Result<Vec<Piece<'a>>> {
        let pieces = || self.of_name(name).iter().map(|number| self.pieces[*number as usize]);
        let mut used = Vec::new();
        let (offset, total_len) = param.slice();
        let end = offset + param.len() as u64;
        if let Some(other) = pieces().find(|piece| piece.entry.total_len() != total_len) {
            problems.add(format_args!(
                "\"{}\" has {} elements in the file and {total_len} in the optimizer",
                Shown(name),
                other.entry.total_len()
            ));
            return Ok(used);
        }
        if offset == end {
            pieces().next().map_or(Ok(()), |piece| push(&mut used, piece))?;
            return Ok(used);
        }
        let (mut next, mut gap_end) = (offset, end);
        for piece in pieces() {
            if piece.end() <= next || piece.entry.offset >= end {
                continue;
            }
            if piece.entry.offset > next {
                gap_end = piece.entry.offset;
                break;
            }
            push(&mut used, piece)?;
            next = piece.end();
        }
        if next < end && pieces().next().is_some() {
            let name = Shown(name);
            problems.add(format_args!("elements {next} to {gap_end} of \"{name}\" are in no file"));
        }
        Ok(used)
    }

    /// Adds the parameters that only the files have.
    fn add_unexpected(&self, optimizer: &Optimizer, problems: &mut Problems) -> Result<()> {
        let mut names = Vec::new();
        for (id, param) in optimizer.params() {
            push(&mut names, owned(param.name(id))?)?;
        }
        let order = order_of(&names, |one, other| one.cmp(other))?;
        for same in self.order.chunk_by(|one, other| self.name(*one) == self.name(*other)) {
            let name = self.name(same[0]);
            if order.binary_search_by(|number| names[*number as usize].as_str().cmp(name)).is_err()
            {
                let name = Shown(name);
                problems.add(format_args!("the file has \"{name}\", which the optimizer does not"));
            }
        }
        Ok(())
    }
}

impl Fit {
    pub fn new(optimizer: &Optimizer, files: &[File], options: &LoadOptions) -> Result<Self> {
        let LoadOptions { strict, hyperparameters, convert_state, .. } = *options;
        let pieces = Pieces::of(files)?;
        let mut problems = Problems { text: FallibleWriter(String::new()), count: 0 };
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
                let there = kind_in_file(piece).filter(|there| {
                    let here = param.state.kind;
                    convert_state && (there.dtype, there.q8) != (here.dtype, here.q8)
                });
                match there {
                    None => add_transfers(id, param, piece, &mut bytes.transfers, &mut problems)?,
                    Some(there) => {
                        let eps = groups[param.group as usize].eps;
                        let eps = if hyperparameters { piece.group().eps } else { eps };
                        add_conversion(id, param, piece, there, eps, &mut bytes, &mut problems)?;
                    }
                }
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

/// What is taken over of the files.
#[derive(Default)]
struct Bytes {
    transfers: Vec<Transfer>,
    conversions: Vec<Conversion>,
}

/// The elements that a parameter takes over of a piece, in the whole tensor.
fn common(param: &Param, piece: &Piece) -> Option<Range<u64>> {
    let (offset, _) = param.slice();
    let first = offset.max(piece.entry.offset);
    let end = piece.end().min(offset + param.len() as u64);
    (first < end).then_some(first..end)
}

/// What the state of a parameter consists of in a file, if it has moments.
fn kind_in_file(piece: &Piece) -> Option<StateKind> {
    let (header, _) = piece.file;
    let has = |array: &str| piece.entry.checksums.iter().any(|(known, _)| known == array);
    let dtype_of = |array: &str| {
        let tensor = header.find(piece.entry.name(), array).filter(|_| has(array))?;
        header.tensors[tensor].dtype.float()
    };
    let q8 = has("state_scale");
    Some(StateKind {
        dtype: dtype_of(if q8 { "kahan_comp" } else { "exp_avg" }).or(q8.then_some(Dtype::F32))?,
        q8,
        compensation: if has("kahan_comp") {
            Compensation::Kahan
        } else if has("master_remainder") {
            Compensation::Remainder
        } else {
            Compensation::None
        },
    })
}

/// Adds what of a piece becomes state of another kind.
fn add_conversion(
    id: u32,
    param: &Param,
    piece: &Piece,
    there: StateKind,
    eps: f64,
    bytes: &mut Bytes,
    problems: &mut Problems,
) -> Result<()> {
    let Some(elements) = common(param, piece) else { return Ok(()) };
    let ((offset, _), here, name) = (param.slice(), param.state.kind, Shown(piece.entry.name()));
    let param_end = offset + param.len() as u64;
    let block = q8::BLOCK as u64;
    let is_cut = |at: u64| !at.is_multiple_of(block);
    let eps_there = piece.group().eps;
    if there.compensation != here.compensation {
        problems.add(format_args!(
            "\"{name}\" has {} in the file and {} in the optimizer, which is not converted",
            there.compensation, here.compensation
        ));
    } else if here.q8
        && (is_cut(elements.start) || elements.end < param_end && is_cut(elements.end))
    {
        problems.add(format_args!(
            "elements {} to {} of \"{name}\" are in a file of their own, which cuts a block of 8-bit state; it must \
             begin and end at multiples of {block}",
            elements.start, elements.end
        ));
    } else if let Err(error) = check_not_negative("eps", eps_there) {
        problems.add(format_args!("in the file, \"{name}\" is in a group whose {}", error.message));
    } else {
        let mut conversion = Conversion {
            param: id,
            first: (elements.start - offset) as usize,
            len: (elements.end - elements.start) as usize,
            there,
            transfers: [None; _],
            bias: ["exp_avg", "exp_avg_sq"].map(|array| bias(piece, array).unwrap_or(1.0)),
            eps_there,
            eps,
        };
        for array in StateArray::ALL.into_iter().filter(|array| there.has(*array)) {
            conversion.transfers[array as usize] = Some(bytes.transfers.len());
            let transfer = transfer(id, piece, there, array, &elements, problems);
            let Some(transfer) = transfer else { return Ok(()) };
            push(&mut bytes.transfers, Transfer { is_converted: true, ..transfer })?;
        }
        push(&mut bytes.conversions, conversion)?;
    }
    Ok(())
}

/// The bytes of an array of a piece, whose state is of this kind.
fn transfer(
    id: u32,
    piece: &Piece,
    kind: StateKind,
    array: StateArray,
    elements: &Range<u64>,
    problems: &mut Problems,
) -> Option<Transfer> {
    let (name, array_name) = (Shown(piece.entry.name()), kind.name_of(array));
    let (header, _) = piece.file;
    let listed = piece.entry.checksums.iter().any(|(known, _)| known == array_name);
    let Some(found) = header.find(piece.entry.name(), array_name).filter(|_| listed) else {
        problems.add(format_args!("\"{name}\" has {array_name} in the optimizer only"));
        return None;
    };
    let tensor = &header.tensors[found];
    let (there, here) = (tensor.dtype, FileDtype::of(kind.element_of(array)));
    let bytes = |elements: u64| kind.len_of(array, elements).checked_mul(here.size());
    if there != here {
        problems.add(format_args!(
            "{array_name} of \"{name}\" is {there} in the file and {here} in the optimizer"
        ));
        return None;
    }
    if bytes(piece.entry.len) != Some(tensor.len) {
        problems.add(format_args!(
            "{array_name} of \"{name}\" has {} bytes in the file, which are not {} elements",
            tensor.len, piece.entry.len
        ));
        return None;
    }
    Some(Transfer {
        file: piece.number,
        tensor: found,
        from: bytes(elements.start - piece.entry.offset)?,
        param: id,
        array,
        to: 0,
        bytes: bytes(elements.end - elements.start)? as usize,
        debias: None,
        is_converted: false,
    })
}

/// Adds what of a piece goes into the arrays of a parameter.
fn add_transfers(
    id: u32,
    param: &Param,
    piece: &Piece,
    transfers: &mut Vec<Transfer>,
    problems: &mut Problems,
) -> Result<()> {
    let Some(elements) = common(param, piece) else { return Ok(()) };
    let (offset, _) = param.slice();
    let name = Shown(piece.entry.name());
    let (_, manifest) = piece.file;
    if manifest.moments == Moments::Biased {
        // They are what the moments are divided by, whatever becomes of the options of the group.
        let GroupEntry { beta1, beta2, .. } = *piece.group();
        for outcome in [check_beta("beta1", beta1), check_beta("beta2", beta2)] {
            if let Err(error) = outcome {
                let problem = error.message;
                problems
                    .add(format_args!("in the file, \"{name}\" has biased moments, and {problem}"));
                return Ok(());
            }
        }
    }
    for (array, _) in piece.entry.checksums.iter() {
        if !param.state.named_arrays().any(|known| known.name == array) {
            problems.add(format_args!("\"{name}\" has {array} in the file only"));
        }
    }
    let (kind, block) = (param.state.kind, q8::BLOCK as u64);
    if kind.q8 && piece.file.1.moments == Moments::Biased {
        problems
            .add(format_args!("the moments of \"{name}\" are biased, which 8-bit state cannot be"));
        return Ok(());
    }
    if kind.q8 && !piece.entry.offset.is_multiple_of(block) {
        problems.add(format_args!(
            "\"{name}\" begins at element {} in a file, which is not a multiple of {block}, so a block of its 8-bit state is cut",
            piece.entry.offset
        ));
        return Ok(());
    }
    for NamedArray { array, name, element, .. } in param.state.named_arrays() {
        let Some(transfer) = transfer(id, piece, kind, array, &elements, problems) else {
            continue;
        };
        let to = kind.len_of(array, elements.start - offset) as usize * element.size();
        let debias = match element {
            ElementType::Float(dtype) => bias(piece, name).map(|bias| (bias, dtype)),
            _ => None,
        };
        push(transfers, Transfer { to, debias, ..transfer })?;
    }
    Ok(())
}

/// What to divide the elements of an array by, if they are biased.
fn bias(piece: &Piece, array: &str) -> Option<f64> {
    let step = piece.entry.step;
    if piece.file.1.moments == Moments::Debiased || step == 0 {
        return None;
    }
    let GroupEntry { beta1, beta2, .. } = *piece.group();
    match array {
        "exp_avg" => Some(BetaPower::new(beta1, step).complement()),
        "exp_avg_sq" => Some(BetaPower::new(beta2, step).complement()),
        _ => None,
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
