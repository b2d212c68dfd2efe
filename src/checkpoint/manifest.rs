//! The manifest: what a checkpoint says about the optimizer, its groups and its parameters. The fields of these
//! structs are the keys of its JSON.

use super::checksum::Checksum;
use super::json::{self, List, Shown, Text, number, some, words};
use super::no_memory;
use super::order::order_of;
use crate::error::{Result, ensure, error, try_format};
use crate::kernel::Dtype;
use crate::optimizer::{Group, Optimizer, Param, Toggle};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The version of the format that is written. Earlier ones are read, later ones are refused.
const FORMAT: u64 = 2;

/// What manifests of all versions have.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest<'a> {
    format: u64,
    #[serde(skip_deserializing)]
    library: &'static str,
    pub moments: Moments,
    #[serde(default)]
    pub optimizer_accumulation: bool,
    pub groups: List<GroupEntry>,
    #[serde(borrow)]
    pub params: List<ParamEntry<'a>>,
}

/// Whether the averages have been divided by 1 − β^t, as in radam and optimi, or not, as in torch.
#[derive(PartialEq)]
pub(super) enum Moments {
    Debiased,
    Biased,
}

/// The options of a group that are saved.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupEntry {
    #[serde(deserialize_with = "number")]
    lr: f64,
    #[serde(deserialize_with = "number")]
    pub beta1: f64,
    #[serde(deserialize_with = "number")]
    pub beta2: f64,
    #[serde(deserialize_with = "number")]
    weight_decay: f64,
    #[serde(deserialize_with = "number")]
    pub eps: f64,
    #[serde(deserialize_with = "number")]
    max_lr: f64,
    #[serde(deserialize_with = "number", default = "GroupEntry::rectify_threshold_of_format_1")]
    rectify_threshold: f64,
    #[serde(default)]
    decouple_wd: Toggle,
    #[serde(default)]
    decouple_lr: Toggle,
    #[serde(default)]
    maximize: Toggle,
    #[serde(default)]
    rectify: Toggle,
    #[serde(default)]
    unrectified: Toggle,
    #[serde(default)]
    pub stochastic_rounding: Toggle,
    #[serde(default)]
    seed: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ParamEntry<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The number of its group in the file.
    pub group: u32,
    /// For other readers; loading goes by the dtypes of the tensors.
    #[serde(default, deserialize_with = "some")]
    dtype: Option<ParamDtype>,
    /// Elements of the parameter, which may be a slice of a tensor.
    pub len: u64,
    /// The first element of the slice, and the number of elements of the whole tensor.
    #[serde(default)]
    pub offset: u64,
    #[serde(default, deserialize_with = "some")]
    total_len: Option<u64>,
    /// The step count.
    pub step: u64,
    #[serde(default)]
    pub frozen: bool,
    /// Whether exp_avg and exp_avg_sq are coded. For other readers, too: loading goes by the tensors.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    state: Option<StateForm>,
    pub checksums: Checksums,
}

/// A [`Dtype`], which itself is public and must not have traits of serde for users to rely on.
enum ParamDtype {
    F32,
    F64,
    F16,
    Bf16,
}

impl ParamDtype {
    fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

/// How exp_avg and exp_avg_sq are stored, if not as numbers.
enum StateForm {
    Q8,
}

/// The CRC-32 of each array of a state.
#[derive(Default)]
pub(super) struct Checksums([Option<u32>; ARRAYS.len()]);

/// The names of tensors end in one of these. They have no dots, so that only one parameter can be meant.
const ARRAYS: [&str; 5] =
    ["exp_avg", "exp_avg_sq", "kahan_comp", "master_remainder", "state_scale"];

words!(Moments: "debiased" = Debiased, "biased" = Biased);
words!(Toggle: "auto" = Auto, "on" = On, "off" = Off);
words!(StateForm: "q8" = Q8);
words!(ParamDtype: "f32" = F32, "f64" = F64, "f16" = F16, "bf16" = Bf16);

impl<'a> Manifest<'a> {
    /// Of an optimizer, with checksums of 0.
    pub fn of(optimizer: &'a Optimizer) -> Result<Self> {
        let (mut groups, mut params) = (List::new(), List::new());
        optimizer.groups().iter().for_each(|group| groups.push(GroupEntry::of(group)));
        for (id, param) in optimizer.params() {
            params.push(ParamEntry::of(id, param)?);
        }
        let manifest = Self {
            format: FORMAT,
            library: concat!("radam ", env!("CARGO_PKG_VERSION")),
            moments: Moments::Debiased,
            optimizer_accumulation: optimizer.accumulation().or(false),
            groups,
            params,
        };
        manifest.groups.check()?;
        manifest.params.check()?;
        Ok(manifest)
    }

    pub fn parse(text: &'a str) -> Result<Self> {
        const WHAT: &str = "the manifest of the checkpoint";
        let manifest = json::read::<Self>(text, WHAT);
        // Later versions may have keys of other types.
        let format = match &manifest {
            Ok(manifest) => manifest.format,
            Err(_) => json::read::<Version>(text, WHAT).map_or(FORMAT, |version| version.format),
        };
        ensure!(
            (1..=FORMAT).contains(&format),
            Mismatch,
            "the checkpoint has format {format}; this version of the library reads formats 1 to {FORMAT}"
        );
        let manifest = manifest?;
        manifest.groups.check()?;
        manifest.params.check()?;
        for param in &manifest.params.items {
            param.name.check()?;
            let name = Shown(param.name());
            let (offset, len, total_len) = (param.offset, param.len, param.total_len());
            ensure!(
                (param.group as usize) < manifest.groups.items.len(),
                Corrupt,
                "the manifest of the checkpoint has \"{name}\" in group {}, which it does not have",
                param.group
            );
            ensure!(
                offset.checked_add(len).is_some_and(|end| end <= total_len),
                Corrupt,
                "the manifest of the checkpoint has {len} elements of \"{name}\" from element {offset} on, which \
                 are not all within a tensor of {total_len}"
            );
        }
        let order = order_of(&manifest.params.items, |one, other| one.name().cmp(other.name()))?;
        let name = |number: u32| manifest.params.items[number as usize].name();
        match order.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            Some(pair) => {
                let name = Shown(name(pair[0]));
                Err(error!(Corrupt, "the manifest of the checkpoint has two parameters \"{name}\""))
            }
            None => Ok(manifest),
        }
    }
}

/// Copies the options that groups take from a checkpoint. stochastic_rounding is not one of them, since it says
/// how state is stored.
macro_rules! copy_options {
    ($from:expr => $to:expr) => {{
        let (from, to) = ($from, $to);
        (to.lr, to.beta1, to.beta2, to.eps) = (from.lr, from.beta1, from.beta2, from.eps);
        (to.weight_decay, to.max_lr, to.seed) = (from.weight_decay, from.max_lr, from.seed);
        (to.decouple_wd, to.decouple_lr) = (from.decouple_wd, from.decouple_lr);
        (to.maximize, to.rectify) = (from.maximize, from.rectify);
        (to.unrectified, to.rectify_threshold) = (from.unrectified, from.rectify_threshold);
    }};
}

impl GroupEntry {
    fn rectify_threshold_of_format_1() -> f64 {
        5.0
    }

    fn of(group: &Group) -> Self {
        let mut entry = Self { stochastic_rounding: group.stochastic_rounding, ..Self::default() };
        copy_options!(group => &mut entry);
        entry
    }

    /// Gives a group these options.
    pub fn apply(&self, group: &mut Group) {
        copy_options!(self => group);
    }
}

impl<'a> ParamEntry<'a> {
    fn of(id: u32, param: &'a Param) -> Result<Self> {
        let (offset, total_len) = param.slice();
        let name = match &param.given_name {
            Some(name) => Cow::Borrowed(&**name),
            None => Cow::Owned(owned(param.name(id))?),
        };
        let mut checksums = Checksums::default();
        param.state.named_arrays().for_each(|array| checksums.set(array.name, 0));
        Ok(Self {
            name: Text(Some(name)),
            group: param.group,
            dtype: Some(ParamDtype::of(param.dtype)),
            len: param.len() as u64,
            offset,
            total_len: Some(total_len),
            step: param.steps(),
            frozen: param.is_frozen(),
            state: param.state.kind.q8.then_some(StateForm::Q8),
            checksums,
        })
    }

    pub fn name(&self) -> &str {
        self.name.0.as_deref().unwrap_or_default()
    }

    pub fn total_len(&self) -> u64 {
        self.total_len.unwrap_or(self.len)
    }
}

impl Checksums {
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        ARRAYS.into_iter().zip(self.0).filter_map(|(array, checksum)| Some((array, checksum?)))
    }

    pub fn set(&mut self, array: &str, checksum: u32) {
        if let Some(at) = ARRAYS.iter().position(|known| *known == array) {
            self.0[at] = Some(checksum);
        }
    }
}

impl Serialize for Checksums {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.collect_map(self.iter().map(|(array, checksum)| (array, Checksum(checksum))))
    }
}

impl<'de> Deserialize<'de> for Checksums {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Checksums::default())
    }
}

impl<'de> Visitor<'de> for Checksums {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object of checksums")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(array) = map.next_key::<Text>()? {
            let array = array.0.unwrap_or_default();
            let at = ARRAYS.iter().position(|known| *known == array);
            let at = at.ok_or_else(|| A::Error::unknown_field(&array, &ARRAYS))?;
            if self.0[at].replace(map.next_value::<Checksum>()?.0).is_some() {
                return Err(A::Error::duplicate_field(ARRAYS[at]));
            }
        }
        Ok(self)
    }
}

/// A copy of a text.
pub(super) fn owned(text: impl std::fmt::Display) -> Result<String> {
    try_format(format_args!("{text}")).ok_or_else(|| no_memory("the header of the checkpoint"))
}
