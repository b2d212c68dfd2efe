//! What a checkpoint says about the optimizer: its groups with their options, and its parameters.

use super::json::Json;
use super::json_writer::Writer;
use super::{no_memory, push};
use crate::error::{Error, Result, ensure, error, reserve, try_format};
use crate::optimizer::{Group, Optimizer, Param, Toggle};

/// The version of the format that is written. A reader refuses later ones.
pub(super) const FORMAT: u64 = 1;

#[derive(Debug)]
pub(super) struct Manifest {
    /// Whether the averages are divided by 1 − β^t, as here and in optimi, or not, as in torch.
    pub is_debiased: bool,
    pub optimizer_accumulation: bool,
    pub groups: Vec<GroupEntry>,
    pub params: Vec<ParamEntry>,
}

/// A group's options, as the C API names them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GroupEntry {
    numbers: [f64; NUMBERS.len()],
    toggles: [Toggle; TOGGLES.len()],
    seed: u64,
}

const NUMBERS: [&str; 6] = ["lr", "beta1", "beta2", "weight_decay", "eps", "max_lr"];
const TOGGLES: [&str; 5] =
    ["decouple_wd", "decouple_lr", "maximize", "rectify", "stochastic_rounding"];

#[derive(Debug)]
pub(super) struct ParamEntry {
    pub name: String,
    /// The number of its group in the file.
    pub group: usize,
    /// What the parameter's elements are; for whoever reads the file.
    dtype: String,
    /// Elements of the slice that this is of the tensor.
    pub len: u64,
    /// Where the slice begins in the tensor, and the elements of the whole tensor.
    pub offset: u64,
    pub total_len: u64,
    /// Steps made.
    pub step: u64,
    pub frozen: bool,
    /// The CRC-32 of the bytes of each array of the state, by the end of its name.
    pub checksums: Vec<(String, u32)>,
}

impl Manifest {
    /// Of an optimizer, with checksums of 0.
    pub fn of(optimizer: &Optimizer) -> Result<Self> {
        let mut groups = Vec::new();
        reserve(&mut groups, optimizer.groups().len(), "groups")?;
        groups.extend(optimizer.groups().iter().map(GroupEntry::of));
        let mut params = Vec::new();
        for (id, param) in optimizer.params() {
            push(&mut params, ParamEntry::of(id, param)?)?;
        }
        let optimizer_accumulation = optimizer.accumulation().or(false);
        Ok(Self { is_debiased: true, optimizer_accumulation, groups, params })
    }

    pub fn parse(text: &str) -> Result<Self> {
        let json = Json::parse(text)?;
        let format = field(&json, "format", Json::integer)?;
        ensure!(
            (1..=FORMAT).contains(&format),
            Mismatch,
            "the checkpoint has version {format} of the format; this version of the library reads \
             versions 1 to {FORMAT}"
        );
        let is_debiased = match field(&json, "moments", Json::text)? {
            "debiased" => true,
            "biased" => false,
            _ => return Err(lacking("moments")),
        };
        let mut groups = Vec::new();
        for group in field(&json, "groups", Json::items)? {
            push(&mut groups, GroupEntry::parse(group)?)?;
        }
        let mut params = Vec::new();
        for param in field(&json, "params", Json::items)? {
            push(&mut params, ParamEntry::parse(param, groups.len())?)?;
        }
        let optimizer_accumulation =
            optional(&json, "optimizer_accumulation", Json::bool)?.unwrap_or(false);
        Ok(Self { is_debiased, optimizer_accumulation, groups, params })
    }

    pub fn to_json(&self) -> Result<String> {
        let mut writer = Writer::new();
        writer.object(|json| {
            json.integer_entry("format", FORMAT)?;
            json.text_entry("library", concat!("radam ", env!("CARGO_PKG_VERSION")))?;
            json.text_entry("moments", if self.is_debiased { "debiased" } else { "biased" })?;
            json.bool_entry("optimizer_accumulation", self.optimizer_accumulation)?;
            json.list_entry("groups", |json| {
                self.groups.iter().try_for_each(|group| json.object(|json| group.write(json)))
            })?;
            json.list_entry("params", |json| {
                self.params.iter().try_for_each(|param| json.object(|json| param.write(json)))
            })
        })?;
        Ok(writer.finish())
    }
}

impl GroupEntry {
    fn of(group: &Group) -> Self {
        let Group { lr, beta1, beta2, weight_decay, eps, max_lr, seed, .. } = *group;
        let Group { decouple_wd, decouple_lr, maximize, rectify, stochastic_rounding, .. } = *group;
        Self {
            numbers: [lr, beta1, beta2, weight_decay, eps, max_lr],
            toggles: [decouple_wd, decouple_lr, maximize, rectify, stochastic_rounding],
            seed,
        }
    }

    /// Gives a group these options; those that say how its state is stored are its own.
    pub fn apply(&self, group: &mut Group) {
        let [lr, beta1, beta2, weight_decay, eps, max_lr] = self.numbers;
        let [decouple_wd, decouple_lr, maximize, rectify, _] = self.toggles;
        *group = Group {
            lr,
            beta1,
            beta2,
            weight_decay,
            eps,
            max_lr,
            decouple_wd,
            decouple_lr,
            maximize,
            rectify,
            seed: self.seed,
            ..group.clone()
        };
    }

    pub fn betas(&self) -> [f64; 2] {
        [self.numbers[1], self.numbers[2]]
    }

    pub fn stochastic_rounding(&self) -> bool {
        self.toggles[4].or(false)
    }

    fn write(&self, json: &mut Writer) -> Result<()> {
        for (name, number) in NUMBERS.into_iter().zip(self.numbers) {
            json.number_entry(name, number)?;
        }
        for (name, toggle) in TOGGLES.into_iter().zip(self.toggles) {
            let word = match toggle {
                Toggle::Auto => "auto",
                Toggle::On => "on",
                Toggle::Off => "off",
            };
            json.text_entry(name, word)?;
        }
        json.integer_entry("seed", self.seed)
    }

    fn parse(json: &Json) -> Result<Self> {
        let mut entry = Self { numbers: [0.0; _], toggles: [Toggle::Auto; _], seed: 0 };
        for (name, number) in NUMBERS.into_iter().zip(&mut entry.numbers) {
            *number = field(json, name, Json::number)?;
        }
        for (name, toggle) in TOGGLES.into_iter().zip(&mut entry.toggles) {
            *toggle = match optional(json, name, Json::text)? {
                None | Some("auto") => Toggle::Auto,
                Some("on") => Toggle::On,
                Some("off") => Toggle::Off,
                Some(_) => return Err(lacking(name)),
            };
        }
        entry.seed = optional(json, "seed", Json::integer)?.unwrap_or(0);
        Ok(entry)
    }
}

impl ParamEntry {
    fn of(id: u32, param: &Param) -> Result<Self> {
        let (offset, total_len) = param.slice();
        let mut checksums = Vec::new();
        for array in param.state.named_arrays() {
            push(&mut checksums, (owned(array.name)?, 0))?;
        }
        Ok(Self {
            name: owned(param.name(id))?,
            group: param.group as usize,
            dtype: owned(param.dtype)?,
            len: param.len() as u64,
            offset,
            total_len,
            step: param.steps(),
            frozen: param.is_frozen(),
            checksums,
        })
    }

    fn write(&self, json: &mut Writer) -> Result<()> {
        json.text_entry("name", &self.name)?;
        json.integer_entry("group", self.group as u64)?;
        json.text_entry("dtype", &self.dtype)?;
        json.integer_entry("len", self.len)?;
        json.integer_entry("offset", self.offset)?;
        json.integer_entry("total_len", self.total_len)?;
        json.integer_entry("step", self.step)?;
        json.bool_entry("frozen", self.frozen)?;
        json.object_entry("checksums", |json| {
            self.checksums.iter().try_for_each(|(array, checksum)| {
                json.text_entry(array, &owned(format_args!("{checksum:08x}"))?)
            })
        })
    }

    fn parse(json: &Json, groups: usize) -> Result<Self> {
        let len = field(json, "len", Json::integer)?;
        let mut checksums = Vec::new();
        for (array, digits) in field(json, "checksums", Json::entries)? {
            let checksum = digits.text().and_then(|digits| parse_checksum(digits.as_bytes()));
            push(&mut checksums, (owned(array)?, checksum.ok_or_else(|| lacking("checksums"))?))?;
        }
        let entry = Self {
            name: owned(field(json, "name", Json::text)?)?,
            group: usize::try_from(field(json, "group", Json::integer)?).unwrap_or(usize::MAX),
            dtype: owned(optional(json, "dtype", Json::text)?.unwrap_or(""))?,
            len,
            offset: optional(json, "offset", Json::integer)?.unwrap_or(0),
            total_len: optional(json, "total_len", Json::integer)?.unwrap_or(len),
            step: field(json, "step", Json::integer)?,
            frozen: optional(json, "frozen", Json::bool)?.unwrap_or(false),
            checksums,
        };
        let end = entry.offset.checked_add(len);
        ensure!(
            entry.group < groups && end.is_some_and(|end| end <= entry.total_len),
            Corrupt,
            "the manifest of the checkpoint has \"{}\" in a group or at a place that is not there",
            entry.name
        );
        Ok(entry)
    }
}

/// The value of 8 hexadecimal digits. Capitals are refused: a flipped bit makes them.
pub(super) fn parse_checksum(digits: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(digits).ok()?;
    let is_digit = |digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let is_plain = digits.len() == 8 && digits.bytes().all(is_digit);
    is_plain.then(|| u32::from_str_radix(digits, 16).ok())?
}

/// A text in memory of its own.
pub(super) fn owned(text: impl std::fmt::Display) -> Result<String> {
    try_format(format_args!("{text}")).ok_or_else(|| no_memory("the header of the checkpoint"))
}

/// An entry that must be there.
fn field<'a, T: 'a>(
    json: &'a Json,
    key: &str,
    read: impl FnOnce(&'a Json) -> Option<T>,
) -> Result<T> {
    json.get(key).and_then(read).ok_or_else(|| lacking(key))
}

/// An entry that may be missing, but not be something else.
fn optional<'a, T: 'a>(
    json: &'a Json,
    key: &str,
    read: impl FnOnce(&'a Json) -> Option<T>,
) -> Result<Option<T>> {
    json.get(key).map(|value| read(value).ok_or_else(|| lacking(key))).transpose()
}

fn lacking(key: &str) -> Error {
    error!(
        Corrupt,
        "the manifest of the checkpoint lacks \"{key}\", or has there what it may not have"
    )
}
