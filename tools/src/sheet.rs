//! What `inspect` shows: named values and one table, printed for people or as JSON from the same data.

use serde_json::{Map, Value};
use std::io::{self, Write};

/// Named values, then rows under column names.
#[derive(Default)]
pub struct Sheet {
    fields: Vec<(&'static str, Value)>,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Sheet {
    /// Adds a named value.
    pub fn field(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.push((name, value.into()));
    }

    /// Names the columns of the rows.
    pub fn columns(&mut self, columns: &[&'static str]) {
        self.columns = columns.to_vec();
    }

    /// Adds a row: one value for each column.
    pub fn row(&mut self, values: Vec<Value>) {
        assert_eq!(
            values.len(),
            self.columns.len(),
            "a row has one value per column"
        );
        self.rows.push(values);
    }

    /// Prints it, as one JSON object or for people.
    pub fn print(self, json: bool, out: &mut impl Write) -> io::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, &self.into_json())?;
            return writeln!(out);
        }
        self.print_fields(out)?;
        if !self.fields.is_empty() && !self.columns.is_empty() {
            writeln!(out)?;
        }
        self.print_rows(out)
    }

    fn into_json(self) -> Value {
        let mut object: Map<String, Value> = Map::new();
        for (name, value) in self.fields {
            object.insert(json_name(name), value);
        }
        if !self.columns.is_empty() {
            let rows = self.rows.into_iter().map(|row| {
                let named = self.columns.iter().map(|name| json_name(name)).zip(row);
                Value::Object(named.collect())
            });
            object.insert("rows".to_owned(), rows.collect());
        }
        Value::Object(object)
    }

    fn print_fields(&self, out: &mut impl Write) -> io::Result<()> {
        let width = self
            .fields
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        for (name, value) in &self.fields {
            writeln!(out, "{name:width$}  {}", shown(value))?;
        }
        Ok(())
    }

    fn print_rows(&self, out: &mut impl Write) -> io::Result<()> {
        let texts: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(shown).collect())
            .collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(column, name)| {
                let cells = texts.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell.chars().count())
                    .chain([name.len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let numeric: Vec<bool> = (0..self.columns.len())
            .map(|column| {
                self.rows
                    .iter()
                    .all(|row| row.get(column).is_none_or(Value::is_number))
            })
            .collect();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for ((cell, width), right) in cells.zip(&widths).zip(&numeric) {
                let width = *width;
                text += &if *right {
                    format!("{cell:>width$}  ")
                } else {
                    format!("{cell:width$}  ")
                };
            }
            writeln!(out, "{}", text.trim_end())
        };
        if !self.columns.is_empty() {
            line(&mut self.columns.iter().copied())?;
        }
        texts
            .iter()
            .try_for_each(|row| line(&mut row.iter().map(String::as_str)))
    }
}

/// `store id` is `store_id` in JSON.
fn json_name(name: &str) -> String {
    name.replace([' ', '-'], "_")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn example() -> Sheet {
        let mut sheet = Sheet::default();
        sheet.field("store id", "abc");
        sheet.field("sealed", true);
        sheet.columns(&["segment", "kind"]);
        sheet.row(vec![json!(7), json!("extent")]);
        sheet.row(vec![json!(12), Value::Null]);
        sheet
    }

    fn printed(json: bool) -> String {
        let mut out = Vec::new();
        example().print(json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_see_aligned_columns() {
        assert_eq!(
            printed(false),
            "store id  abc\nsealed    yes\n\nsegment  kind\n      7  extent\n     12  -\n"
        );
    }

    #[test]
    fn json_has_the_same_values() {
        let value: Value = serde_json::from_str(&printed(true)).unwrap();
        assert_eq!(
            value,
            json!({
                "store_id": "abc",
                "sealed": true,
                "rows": [{"segment": 7, "kind": "extent"}, {"segment": 12, "kind": null}],
            })
        );
    }
}
