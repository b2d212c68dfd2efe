//! JSON as RFC 8259 has it and nothing more. Objects keep the order and the repetitions of their keys.

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `true`, `false` or a number, as it is written.
    Plain(String),
    String(Text),
    List(Vec<Value>),
    Object(Vec<(Text, Value)>),
}

/// A string as it is written, without its quotes, and where it begins.
#[derive(Clone, Debug)]
pub struct Text {
    pub raw: String,
    pub start: usize,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Text {
    /// Written without escapes; `text` must need none.
    pub fn plain(text: &str) -> Self {
        Self { raw: text.to_owned(), start: 0 }
    }

    /// What it stands for, if that is Unicode.
    pub fn decoded(&self) -> Option<String> {
        let mut units = Vec::new();
        let mut chars = self.raw.chars();
        while let Some(c) = chars.next() {
            let c = if c == '\\' {
                chars.next()?
            } else {
                units.extend(encoded(c));
                continue;
            };
            match c {
                'b' => units.push(8),
                'f' => units.push(12),
                'n' => units.push(10),
                'r' => units.push(13),
                't' => units.push(9),
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                }
                itself => units.extend(encoded(itself)),
            }
        }
        String::from_utf16(&units).ok()
    }

    /// The shortest way to write a text.
    pub fn encode(text: &str) -> Self {
        let mut raw = String::new();
        for c in text.chars() {
            match c {
                '"' | '\\' => raw.extend(['\\', c]),
                c if (c as u32) < 0x20 => raw += &format!("\\u{:04x}", c as u32),
                c => raw.push(c),
            }
        }
        Self { raw, start: 0 }
    }
}

fn encoded(c: char) -> Vec<u16> {
    c.encode_utf16(&mut [0; 2]).to_vec()
}

/// `None` if the text is not JSON.
pub fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let value = parser.value()?;
    parser.space();
    (parser.at == text.len()).then_some(value)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<Value> {
        self.space();
        match self.peek()? {
            b'"' => self.string().map(Value::String),
            b'[' => self.items(b'[', b']', Self::value).map(Value::List),
            b'{' => self.items(b'{', b'}', Self::member).map(Value::Object),
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["null", "true", "false"].into_iter().find_map(|word| {
                let is_it = self.text[self.at..].starts_with(word.as_bytes());
                is_it.then(|| self.at += word.len()).map(|()| Value::Plain(word.to_owned()))
            }),
        }
    }

    fn items<T>(
        &mut self,
        open: u8,
        close: u8,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(open)?;
        self.space();
        let mut items = Vec::new();
        if self.take(close).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.space();
            if self.take(close).is_some() {
                return Some(items);
            }
            self.take(b',')?;
        }
    }

    fn member(&mut self) -> Option<(Text, Value)> {
        self.space();
        let key = self.string()?;
        self.space();
        self.take(b':')?;
        Some((key, self.value()?))
    }

    fn string(&mut self) -> Option<Text> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => break,
                ..0x20 => return None,
                b'\\' => {
                    let kind = self.peek()?;
                    self.at += 1;
                    match kind {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let digits = self.text.get(self.at..self.at + 4)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => {}
            }
        }
        let raw = str::from_utf8(&self.text[start..self.at - 1]).ok()?.to_owned();
        Some(Text { raw, start })
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(Value::Plain(String::from_utf8_lossy(&self.text[start..self.at]).into_owned()))
    }
}

impl Value {
    pub fn write(&self, text: &mut String) {
        match self {
            Self::Plain(word) => *text += word,
            Self::String(string) => *text += &format!("\"{}\"", string.raw),
            Self::List(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    *text += if index > 0 { "," } else { "" };
                    *text += &format!("\"{}\":", key.raw);
                    value.write(text);
                }
                text.push('}');
            }
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_read() {
        let right = ["{}", " [1,-0.5e+3 , \"a\\u00e9\"]\n", "{\"a\":1,\"a\":null}", "0", "\"\\/\""];
        assert!(right.iter().all(|text| parse(text).is_some()));
        let wrong = [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "nul",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "{a:1}",
            "[1] 2",
            "NaN",
            "'a'",
            "\u{feff}1",
            "-",
            "[1 2]",
        ];
        assert!(wrong.iter().all(|text| parse(text).is_none()));
    }

    #[test]
    fn surrogates_come_in_pairs() {
        let decoded = |raw: &str| Text::plain(raw).decoded();
        assert_eq!(decoded("\\ud83d\\ude00").as_deref(), Some("😀"));
        assert_eq!(decoded("\\ud83d"), None);
        assert_eq!(Text::encode("a\"\n").decoded().as_deref(), Some("a\"\n"));
    }
}
