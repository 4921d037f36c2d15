//! Text in columns, each as wide as its widest cell.

use std::io::{self, Write};

pub struct Column {
    title: &'static str,
    right: bool,
}

/// A column of words.
pub fn left(title: &'static str) -> Column {
    Column { title, right: false }
}

/// A column of numbers.
pub fn right(title: &'static str) -> Column {
    Column { title, right: true }
}

pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new(columns: [Column; N]) -> Self {
        let titles = columns.each_ref().map(|column| column.title.to_owned());
        Self { columns, rows: vec![titles] }
    }

    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
                let cell =
                    if column.right { format!("  {cell:>width$}") } else { format!("  {cell:<width$}") };
                line.push_str(&cell);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
