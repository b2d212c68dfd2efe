//! Finds a short sequence that still fails: without the calls that do not matter, with the simplest choices.

use crate::sequence::Sequence;

/// `fails` tells whether a sequence does, and may be asked a few thousand times.
pub fn shrink(mut sequence: Sequence, fails: &mut dyn FnMut(&Sequence) -> bool) -> Sequence {
    loop {
        let before = sequence.clone();
        remove_calls(&mut sequence, fails);
        simplify_choices(&mut sequence, fails);
        if sequence == before {
            return sequence;
        }
    }
}

/// Takes away runs of calls, long ones first.
fn remove_calls(sequence: &mut Sequence, fails: &mut dyn FnMut(&Sequence) -> bool) {
    let mut len = sequence.0.len();
    while len > 0 {
        let mut end = sequence.0.len();
        while end >= len {
            let mut shorter = sequence.clone();
            shorter.0.drain(end - len..end);
            if fails(&shorter) {
                *sequence = shorter;
            }
            end = end.saturating_sub(len).min(sequence.0.len());
        }
        len /= 2;
    }
}

/// Takes away choices from the end of each call, and makes others 0.
fn simplify_choices(sequence: &mut Sequence, fails: &mut dyn FnMut(&Sequence) -> bool) {
    for call in 0..sequence.0.len() {
        let mut cut = sequence.0[call].choices.len();
        while cut > 0 {
            let mut simpler = sequence.clone();
            let choices = &mut simpler.0[call].choices;
            choices.truncate(choices.len().saturating_sub(cut));
            if simpler != *sequence && fails(&simpler) {
                *sequence = simpler;
            } else {
                cut /= 2;
            }
        }
        for choice in 0..sequence.0[call].choices.len() {
            for value in [0, sequence.0[call].choices[choice] / 2] {
                let mut simpler = sequence.clone();
                simpler.0[call].choices[choice] = value;
                if simpler != *sequence && fails(&simpler) {
                    *sequence = simpler;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let sequence = Sequence::random(3);
        let mut fails = |sequence: &Sequence| {
            let matters = |name: &str| sequence.0.iter().position(|call| call.name == name);
            matters("create").is_some() && matters("add_params") > matters("add_param_group")
        };
        assert!(fails(&sequence));
        let shrunk = shrink(sequence, &mut fails);
        assert_eq!(shrunk.to_string(), "create\nadd_params\n");
    }
}
