//! Headers are parsed as strictly and as exactly as docs/checkpoint.md says.

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::file::{File, crc32, quoted};
use crate::training::{Spec, group_options};

const GROUP: &str = r#""lr":0.5,"beta1":0.9,"beta2":0.99,"weight_decay":0,"eps":1e-8,"max_lr":0.5"#;
const TENSOR: &str = r#""dtype":"F32","shape":[1]"#;

/// Of a parameter "w" that has one element.
fn param(more: &str) -> String {
    let sum = format!("{:08x}", crc32(&[0; 4]));
    format!(
        r#""name":"w","group":0,"len":1,"step":7{more},"checksums":{{"exp_avg":"{sum}","exp_avg_sq":"{sum}"}}"#
    )
}

fn manifest(group: &str, param: &str) -> String {
    format!(r#"{{"format":1,"moments":"debiased","groups":[{{{group}}}],"params":[{{{param}}}]}}"#)
}

/// A file with this manifest, and more in its metadata and its header.
fn file_with(manifest: &str, metadata: &str, header: &str) -> File {
    let manifest = quoted(manifest);
    let json = format!(
        r#"{{"__metadata__":{{"radam":{manifest},"radam.checksum":"00000000"{metadata}}},
            "w.exp_avg":{{{TENSOR},"data_offsets":[0,4]}},"w.exp_avg_sq":{{{TENSOR},"data_offsets":[4,8]}}{header}}}"#
    );
    File { json, data: vec![0; 8] }
}

fn file(manifest: &str) -> File {
    file_with(manifest, "", "")
}

fn sound() -> String {
    manifest(GROUP, &param(""))
}

fn optimizer() -> Optimizer {
    let mut optimizer = Optimizer::of(&group_options(), &[Spec::new("w", RADAM_DTYPE_F32, 1)]);
    optimizer.step_number(1);
    optimizer
}

#[track_caller]
fn taken(file: &File) -> Optimizer {
    let mut optimizer = optimizer();
    optimizer.load(&file.bytes()).unwrap_or_else(|refusal| panic!("{refusal:?}: {}", file.json));
    assert_eq!(optimizer.step_count(0), 7);
    optimizer
}

#[track_caller]
fn refused(file: &File, words: &[&str]) {
    optimizer().refuses(&file.bytes(), RADAM_ERROR_CORRUPT, words);
}

fn eps(optimizer: &Optimizer) -> f64 {
    optimizer.group_options(0).eps
}

fn with_eps(text: &str) -> File {
    file(&manifest(&GROUP.replace("1e-8", text), &param("")))
}

/// The nearest f64 to any digits, also where hasty readers are off by one in the last place.
#[test]
fn numbers_are_exact() {
    for text in [
        "0",
        "-0",
        "1",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "9007199254740992.999999999999999999999999999999",
        "0.1000000000000000055511151231257827021181583404541015625",
        "0.10000000000000000555111512312578270211815834045410156250000000000001",
        "8.98846567431158e307",
        "6.631236846766476e-316",
        "3.518437208883201171875e13",
        "1.448997445238699",
        "7120190517612959703e-20",
        "123456789012345678901234567890e-25",
        "1E+2",
        "1e-999",
    ] {
        let found = eps(&taken(&with_eps(text)));
        assert_eq!(found.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
    let mut bits = 1u64;
    for _ in 0..2000 {
        bits = crate::training::mix(bits);
        let number = f64::from_bits(bits).abs();
        if number.is_finite() {
            let mut options = group_options();
            (options.eps, options.seed) = (number, bits);
            let spec = Spec::new("w", RADAM_DTYPE_F32, 1);
            let saved = Optimizer::of(&options, std::slice::from_ref(&spec)).save();
            let mut loaded = Optimizer::of(&group_options(), &[spec]);
            loaded.load(&saved).unwrap();
            let seed = loaded.group_options(0).seed;
            assert_eq!((eps(&loaded).to_bits(), seed), (number.to_bits(), bits), "{number:?}");
        }
    }
}

#[test]
fn numbers_are_those_of_json() {
    for text in [
        "01", "1.", "05", ".5", "+1", "1e", "1e+", "--1", "0x1", "NaN", "Infinity", "1_0", "1 0",
        "-",
    ] {
        refused(&with_eps(text), &["manifest", "line 1 column"]);
    }
    for text in ["1e999", "-1e999", "null", "true", "\"1\"", "[1]", "{}"] {
        refused(&with_eps(text), &["finite number"]);
    }
    for step in ["-1", "1.0", "1e3", "18446744073709551616", "null", "\"7\"", "[7]", "true", "-0"] {
        let param = param("").replace("\"step\":7", &format!("\"step\":{step}"));
        refused(&file(&manifest(GROUP, &param)), &["manifest", "line 1 column"]);
    }
    for seed in [0, 1, u64::MAX - 1, u64::MAX] {
        let optimizer = taken(&file(&manifest(&format!("{GROUP},\"seed\":{seed}"), &param(""))));
        assert_eq!(optimizer.group_options(0).seed, seed);
    }
}

/// Also where one of them has escapes in it.
#[test]
fn a_key_twice_is_refused() {
    for (group, more, word) in [
        (r#","lr":0.5"#, "", "`lr`"),
        (r#","l\u0072":0.5"#, "", "`lr`"),
        (r#","rectify":"on","rectify":"on""#, "", "`rectify`"),
        ("", r#","step":7"#, "`step`"),
        ("", r#","frozen":false,"frozen":false"#, "`frozen`"),
    ] {
        refused(&file(&manifest(&format!("{GROUP}{group}"), &param(more))), &["duplicate", word]);
    }
    let sum = "\"exp_avg\":\"00000000\"}";
    refused(&file(&sound().replacen("\"}", &format!("\",{sum}"), 1)), &["duplicate", "`exp_avg`"]);
    for more in [r#","format":1}"#, r#","params":[]}"#, r#","moments":"debiased"}"#] {
        let manifest = format!("{}{more}", sound().strip_suffix('}').unwrap());
        refused(&file(&manifest), &["duplicate"]);
    }
    refused(&file_with(&sound(), r#","radam":"{}""#, ""), &["duplicate", "`radam`"]);
    refused(&file_with(&sound(), r#","radam.checksum":"00000000""#, ""), &["duplicate"]);
    refused(&file_with(&sound(), "", r#","__metadata__":{}"#), &["`radam`"]);
    let other = format!("{{{TENSOR},\"data_offsets\":[8,12]}}");
    for name in ["w.exp_avg", r"w.\u0065xp_avg"] {
        refused(
            &file_with(&sound(), "", &format!(",\"{name}\":{other}")),
            &["\"w.exp_avg\" twice"],
        );
    }
    let dtype = r#","w.kahan_comp":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[8,8]}"#;
    refused(&file_with(&sound(), "", dtype), &["duplicate", "`dtype`"]);
    let two = format!("{}}},{{{}", param(""), param(""));
    refused(&file(&manifest(GROUP, &two)), &["two parameters", "\"w\""]);
}

#[test]
fn other_types_and_gaps_are_refused() {
    for (from, to, word) in [
        ("\"moments\":\"debiased\"", "\"moments\":null", "string"),
        ("\"moments\":\"debiased\"", "\"moments\":{\"debiased\":null}", "string"),
        ("\"moments\":\"debiased\",", "", "`moments`"),
        ("\"lr\":0.5,", "", "`lr`"),
        ("\"groups\":[{", "\"groups\":[[", "expected"),
        ("\"groups\":[{", "\"groups\":[null,{", "an object"),
        ("\"groups\":[{", "\"groups\":[\"{\",{", "an object"),
        ("\"groups\":[", "\"groups\":7,\"x\":[", "a list of objects"),
        ("\"params\":[{", "\"params\":[[\"w\",0,1,7,{}],{", "an object"),
        ("\"name\":\"w\"", "\"name\":null", "string"),
        ("\"name\":\"w\"", "\"name\":\"\\ud800\"", "Unicode"),
        ("\"name\":\"w\"", "\"name\":\"\\udc00\\ud800\"", "Unicode"),
        ("\"group\":0", "\"group\":1", "in group 1"),
        ("\"group\":0", "\"group\":4294967296", "u32"),
        ("\"step\":7", "\"step\":7,\"frozen\":null", "boolean"),
        ("\"step\":7", "\"step\":7,\"offset\":null", "u64"),
        ("\"step\":7", "\"step\":7,\"total_len\":null", "u64"),
        ("\"step\":7", "\"step\":7,\"offset\":1", "tensor of 1"),
        ("\"step\":7", "\"step\":7,\"offset\":18446744073709551615", "tensor of 1"),
        ("\"step\":7", "\"step\":7,\"dtype\":\"F32\"", "`f32`"),
        ("\"checksums\":{", "\"checksums\":{\"exp\":\"00000000\",", "`exp`"),
        ("\"checksums\":{", "\"checksums\":{\"kahan_comp\":\"0000000\",", "8 hexadecimal"),
        ("\"checksums\":{", "\"checksums\":{\"kahan_comp\":\"0000000A\",", "8 hexadecimal"),
        ("\"checksums\":{", "\"checksums\":{\"kahan_comp\":null,", "string"),
        ("\"max_lr\":0.5", "\"max_lr\":0.5,\"rectify\":true", "string"),
        ("\"max_lr\":0.5", "\"max_lr\":0.5,\"rectify\":\"maybe\"", "`maybe`"),
        ("\"max_lr\":0.5", "\"max_lr\":0.5,\"rectify\":null", "string"),
    ] {
        assert!(sound().contains(from), "{from}");
        refused(&file(&sound().replacen(from, to, 1)), &[word]);
    }
    let contradiction = "contradict one another";
    for (tensor, word) in [
        (r#"{"dtype":"F32","shape":[2],"data_offsets":[8,12]}"#, contradiction),
        (r#"{"dtype":"F32","shape":[1],"data_offsets":[12,8]}"#, contradiction),
        (r#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[8,8]}"#, "2^64"),
        (r#"{"dtype":"F32","shape":1,"data_offsets":[8,12]}"#, "a list of dimensions"),
        (r#"{"dtype":"F32","shape":[1],"data_offsets":[8]}"#, "length 1"),
        (r#"{"dtype":"F32","shape":[1],"data_offsets":[8,12,12]}"#, "trailing characters"),
        (r#"{"dtype":"F32","shape":[1.0],"data_offsets":[8,12]}"#, "u64"),
        (r#"{"dtype":"Q4","shape":[1],"data_offsets":[8,12]}"#, "`Q4`"),
        (r#"{"dtype":["F32"],"shape":[1],"data_offsets":[8,12]}"#, "string"),
        (r#"{"dtype":"F32","data_offsets":[8,12]}"#, "`shape`"),
        (r#"["F32",[1],[8,12]]"#, "an object"),
        ("null", "an object"),
    ] {
        let mut file = file_with(&sound(), "", &format!(",\"x\":{tensor}"));
        file.data.resize(12, 0);
        refused(&file, &["header of the checkpoint", "line 2 column", word]);
    }
}

/// The data are all there, and yet some of them are nobody's, or somebody's data are not there.
#[test]
fn every_tensor_is_in_the_manifest() {
    let mut more = file_with(&sound(), "", &format!(",\"x\":{{{TENSOR},\"data_offsets\":[8,12]}}"));
    more.data.resize(12, 0);
    refused(&more, &["manifest does not list"]);
    let empty = r#","x":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}"#;
    refused(&file_with(&sound(), "", empty), &["manifest does not list"]);
    let missing =
        param("").replace("\"checksums\":{", "\"checksums\":{\"kahan_comp\":\"00000000\",");
    optimizer().refuses(
        &file(&manifest(GROUP, &missing)).bytes(),
        RADAM_ERROR_MISMATCH,
        &["kahan_comp"],
    );
}

/// What is not known is skipped, however deep it is, and keys may have escapes.
#[test]
fn unknown_keys_are_skipped() {
    let group = format!("{GROUP},\"new\":{{\"x\":[1,{{\"y\":null}}]}}");
    taken(&file(&manifest(&group, &param(",\"new\":[\"\\u0041\"]"))));
    taken(&file_with(&sound(), ",\"format\":\"pt\",\"new\":[[{}]]", ""));
    let nested = format!(",\"new\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    taken(&file(&manifest(&format!("{GROUP}{nested}"), &param(""))));
    taken(&file(&sound().replace("\"lr\"", r#""\u006cr""#).replace("\"step\"", r#""st\u0065p""#)));
    taken(&file(
        &sound().replace("\"w\"", r#""\u0077""#).replace("\"debiased\"", r#""\u0064ebiased""#),
    ));
}

/// What format 2 has more than format 1 goes in and out, and has defaults.
#[test]
fn the_options_of_format_2() {
    let saved = |group: &str| {
        let manifest = manifest(&format!("{GROUP}{group}"), &param(""));
        taken(&file(&manifest.replace("\"format\":1", "\"format\":2"))).save()
    };
    for (group, threshold, unrectified) in [
        ("", "5.0", "auto"),
        (",\"rectify_threshold\":4", "4.0", "auto"),
        (",\"unrectified\":\"off\",\"rectify_threshold\":1e9", "1000000000.0", "off"),
        (",\"unrectified\":\"on\"", "5.0", "on"),
    ] {
        let json = File::of(&saved(group)).json;
        for entry in [
            r#"\"format\":2,"#,
            &format!(r#"\"rectify_threshold\":{threshold},"#),
            &format!(r#"\"unrectified\":\"{unrectified}\","#),
        ] {
            assert!(json.contains(entry), "no {entry} in {json}");
        }
    }
    for threshold in ["3.9999", "-5", "0"] {
        let group = format!("{GROUP},\"rectify_threshold\":{threshold}");
        let bytes = file(&manifest(&group, &param(""))).bytes();
        optimizer().refuses(&bytes, RADAM_ERROR_MISMATCH, &["rectify_threshold", "at least 4"]);
    }
}

/// Every kind of escape, in names, on their way in and out.
#[test]
fn escapes_are_characters() {
    let name = "A\n/\u{8}\u{c}\r\t\u{1}\u{7f}\"\\ ü€🦀";
    let sum = format!("{:08x}", crc32(&[]));
    let escaped = r#"\u0041\n\/\b\f\r\t\u0001\u007F\"\\ \u00fc\u20AC\ud83e\udd80"#;
    let param = format!(
        r#"{{"name":"{escaped}","group":0,"len":0,"step":7,"checksums":{{"exp_avg":"{sum}","exp_avg_sq":"{sum}"}}}}"#
    );
    let manifest =
        format!(r#"{{"format":1,"moments":"debiased","groups":[{{{GROUP}}}],"params":[{param}]}}"#);
    let empty = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let json = format!(
        r#"{{"__metadata__":{{"radam":{},"radam.checksum":"00000000"}},"{escaped}.exp_avg":{empty},"{escaped}.exp_avg_sq":{empty}}}"#,
        quoted(&manifest)
    );
    let mut optimizer = Optimizer::of(&group_options(), &[Spec::new(name, RADAM_DTYPE_F32, 0)]);
    optimizer.load(&File { json, data: vec![] }.bytes()).unwrap();
    assert_eq!(optimizer.step_count(0), 7);
    let saved = optimizer.save();
    optimizer.load(&saved).unwrap();
}

/// A message about a text from the file is neither endless nor an instruction to a terminal.
#[test]
fn messages_are_short_and_printable() {
    let long = "x".repeat(1 << 20);
    for file in [
        file(&sound().replace("\"w\"", &quoted(&long))),
        file(&sound().replace("\"groups\":[", &format!("\"groups\":[\"{long}\","))),
        file(&sound().replace("\"debiased\"", &quoted(&long))),
        file(&sound().replace("\"w\"", "\"\\u001b[31m\\u0007\"")),
    ] {
        let refusal = optimizer().load(&file.bytes()).unwrap_err();
        assert!(refusal.message.len() < 2000, "{} bytes", refusal.message.len());
        assert!(!refusal.message.contains(char::is_control), "{}", refusal.message);
    }
}

#[test]
fn what_is_no_safetensors_file_is_told() {
    for (bytes, words) in [
        (&b"PK\x03\x04 a zip archive, as torch.save writes"[..], "not a checkpoint"),
        (b"\x40\0\0\0\0\0\0\0{}", "ends within its header"),
        (b"\x08\0\0\0\0\0\0\0        ", "not a checkpoint of radam"),
        (b"short", "only 5 bytes"),
    ] {
        refused_bytes(bytes, words);
    }
}

fn refused_bytes(bytes: &[u8], words: &str) {
    optimizer().refuses(bytes, RADAM_ERROR_CORRUPT, &[words]);
}

/// JSON may have white space between a key and its value.
#[test]
fn white_space_before_the_checksum() {
    let file = file(&sound());
    for between in [" :", ": ", " \t:\r\n  "] {
        taken(&file.replaced("\"radam.checksum\":", &format!("\"radam.checksum\"{between}")));
    }
}

/// The checksum is the one in the metadata, and no other place can pass for it.
#[test]
fn the_checksum_is_in_the_metadata() {
    let manifest = quoted(&sound());
    let elsewhere =
        format!(r#"{{"radam.checksum":"00000000","__metadata__":{{"radam":{manifest}}}}}"#);
    refused(&File { json: elsewhere, data: vec![] }, &["line 1 column"]);
    let in_an_ignored_value = format!(
        r#"{{"__metadata__":{{"x":{{"radam.checksum":"00000000"}},"radam":{manifest},"radam.checksum":"00000000"}}}}"#
    );
    refused(&File { json: in_an_ignored_value, data: vec![] }, &["metadata"]);
}
