//! What a log of libFuzzer says of a finding: why, with which input, and how anyone can repeat it.

use std::fs;
use std::path::Path;

/// The lines that repeat a finding on any machine, from the log alone: the input is in them. Nothing is left out, as
/// libFuzzer bounds its inputs (4 KiB, or the longest that is kept).
pub fn repetition(log: &str, target: &str, program: &Path) -> String {
    let written = last_line(log, "Test unit written to");
    let Some((_, file)) = written.and_then(|line| line.split_once("Test unit written to ")) else {
        return "it left no input".to_owned();
    };
    match fs::read(file.trim()) {
        Ok(input) => format!(
            "input: {file} ({} bytes)\nrepeat:\n  echo {} | base64 -d > fuzz/corpus/{target}/finding\n  \
             cargo test -p moraine-fuzz every_input\nor, if it took too long or too much memory:\n  \
             MORAINE_FUZZ_TARGET={target} {} fuzz/corpus/{target}/finding",
            input.len(),
            base64(&input),
            program.display()
        ),
        Err(error) => format!("input: {file}: {error}"),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, at: usize| {
        let index = usize::try_from(group >> (18 - 6 * at) & 63).unwrap_or(0);
        DIGITS.get(index).copied().map_or('=', char::from)
    };
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.extend((0..4).map(|at| {
            if at <= chunk.len() {
                digit(group, at)
            } else {
                '='
            }
        }));
    }
    text
}

/// The last line with these words.
pub fn last_line<'a>(log: &'a str, what: &str) -> Option<&'a str> {
    log.lines().rfind(|line| line.contains(what))
}

/// The first panic in a log; nothing if there is none.
pub fn panic_in(log: &str) -> String {
    let panic = log.lines().skip_while(|line| !line.contains("panicked"));
    panic.take(4).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let expected = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, expected) in expected.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), expected);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }

    #[test]
    fn a_finding_is_printed_with_its_input() {
        let file = std::env::temp_dir().join(format!("moraine-finding-{}", std::process::id()));
        fs::write(&file, [0, 1, 2, 3]).unwrap();
        let log = format!(
            "panicked at\nartifact_prefix='x'; Test unit written to {}\nBase64: AA\n",
            file.display()
        );
        let text = repetition(&log, "range", Path::new("fuzz"));
        fs::remove_file(&file).unwrap();
        let line = "echo AAECAw== | base64 -d > fuzz/corpus/range/finding";
        assert!(text.contains(line), "{text}");
        assert_eq!(
            repetition("Done 5 runs", "range", Path::new("fuzz")),
            "it left no input"
        );
    }

    #[test]
    fn a_panic_is_found_in_a_log() {
        assert_eq!(panic_in("#2 INITED\nDone 5 runs\n"), "");
        let log = "#2 INITED\nthread 'x' panicked at a.rs:1:\nwhy\n";
        assert_eq!(panic_in(log), "thread 'x' panicked at a.rs:1:\nwhy");
    }
}
