//! Which bytes of the files go where.

use super::convert::Conversion;
use super::header::FileDtype;
use super::json::Shown;
use super::manifest::{GroupEntry, Moments};
use super::pieces::{Piece, Problems};
use super::push;
use crate::error::Result;
use crate::kernel::Dtype;
use crate::math::{BetaPower, q8};
use crate::optimizer::{
    Compensation, ElementType, NamedArray, Param, StateArray, StateKind, check_beta,
    check_not_negative,
};
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

/// What is taken over of the files.
#[derive(Default)]
pub(super) struct Bytes {
    pub transfers: Vec<Transfer>,
    pub conversions: Vec<Conversion>,
}

impl Bytes {
    /// Adds what a parameter takes over of a piece. State of another kind is converted if there is an `eps`, that of the
    /// group from now on.
    pub fn add(
        &mut self,
        id: u32,
        param: &Param,
        piece: &Piece,
        eps: Option<f64>,
        problems: &mut Problems,
    ) -> Result<()> {
        let there = kind_in_file(piece);
        if common(param, piece).is_some() && !bias_is_right(piece, there, problems) {
            return Ok(());
        }
        match (eps, there.filter(|there| differ(*there, param.state.kind))) {
            (Some(eps), Some(there)) => {
                add_conversion(id, param, piece, there, eps, self, problems)
            }
            (_, differing) => {
                let compensation = param.state.kind.compensation;
                problems.convertible |=
                    differing.is_some_and(|there| there.compensation == compensation);
                add_transfers(id, param, piece, &mut self.transfers, problems)
            }
        }
    }
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

/// Whether state of one kind has to be converted to be of the other. Codes have a dtype only beside a compensation.
fn differ(there: StateKind, here: StateKind) -> bool {
    let has_dtype = !there.q8 || there.compensation == Compensation::Kahan;
    there.q8 != here.q8 || has_dtype && there.dtype != here.dtype
}

/// Whether moments can be divided by what they are biased by, whatever becomes of the options of the group.
fn bias_is_right(piece: &Piece, there: Option<StateKind>, problems: &mut Problems) -> bool {
    if piece.file.1.moments == Moments::Debiased {
        return true;
    }
    let name = Shown(piece.entry.name());
    if there.is_some_and(|there| there.q8) {
        problems
            .add(format_args!("the moments of \"{name}\" are biased, which 8-bit state cannot be"));
        return false;
    }
    let GroupEntry { beta1, beta2, .. } = *piece.group();
    for outcome in [check_beta("beta1", beta1), check_beta("beta2", beta2)] {
        if let Err(error) = outcome {
            let problem = error.message;
            problems.add(format_args!("in the file, \"{name}\" has biased moments, and {problem}"));
            return false;
        }
    }
    true
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
    } else if (here.q8 || there.q8) && is_cut(elements.start)
        || there.q8 && is_cut(piece.entry.offset)
        || here.q8 && elements.end < param_end && is_cut(elements.end)
    {
        problems.add(format_args!(
            "elements {} to {} of \"{name}\" are to be converted by themselves, which cuts a block of 8-bit state; what is in \
             a file must begin and end at multiples of {block}",
            elements.start,
            elements.end - 1
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
        add_unexpected(piece, there, problems);
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

/// Adds the arrays of a piece that state of this kind does not have.
fn add_unexpected(piece: &Piece, kind: StateKind, problems: &mut Problems) {
    for (name, _) in piece.entry.checksums.iter() {
        let is_it = |array: &StateArray| kind.has(*array) && kind.name_of(*array) == name;
        if !StateArray::ALL.iter().any(is_it) {
            let param = Shown(piece.entry.name());
            problems.add(format_args!("\"{param}\" has {name} in the file only"));
        }
    }
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
#[inline(never)]
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
    let (kind, block) = (param.state.kind, q8::BLOCK as u64);
    add_unexpected(piece, kind, problems);
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
        "exp_avg" => Some(BetaPower::of(beta1, step).complement()),
        "exp_avg_sq" => Some(BetaPower::of(beta2, step).complement()),
        _ => None,
    }
}
