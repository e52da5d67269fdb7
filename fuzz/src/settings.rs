//! The configuration: what is accepted is within the limits that the messages name, and a refusal names its line.

use moraine_tools::settings::Settings;

pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Settings::of_text("FILE", text) {
        Ok(found) => {
            assert!(found.memory_bytes >= 64 << 20);
            assert!((1..=65_536).contains(&found.server.limits.connections));
            assert!(!found.server.region.is_empty() && found.server.region.len() <= 64);
            for domain in &found.server.domains {
                assert!(domain.len() <= 253 && *domain == domain.to_ascii_lowercase());
                assert!(
                    !domain.starts_with('.') && !domain.ends_with('.'),
                    "{domain}"
                );
            }
        }
        Err(why) => {
            let why = why.to_string();
            assert!(!why.is_empty());
            let line = why
                .strip_prefix("FILE, line ")
                .and_then(|rest| rest.split(':').next());
            if let Some(line) = line.and_then(|line| line.parse::<usize>().ok()) {
                assert!(
                    (1..=text.matches('\n').count() + 1).contains(&line),
                    "{why}"
                );
            }
        }
    }
}
