//! Which digits are taken for which.

use std::fmt;

use serde::Serialize;

use super::MetricsError;

/// How many classes there are: the ten digits.
pub const CLASSES: usize = 10;

/// How often each digit was taken for each. As JSON it is its [`Report`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "Report")]
pub struct Confusion {
    /// `counts[true digit][predicted digit]`.
    counts: [[u64; CLASSES]; CLASSES],
}

/// A [`Confusion`] with everything that follows from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Images in all.
    pub total: u64,
    /// Images classified rightly.
    pub correct: u64,
    /// `correct / total`; none without images.
    pub accuracy: Option<f64>,
    /// Scores of each digit.
    pub classes: Vec<ClassScore>,
    /// `confusion[true digit][predicted digit]`.
    pub confusion: [[u64; CLASSES]; CLASSES],
}

/// Scores of one digit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// The digit.
    pub class: usize,
    /// Images that show it.
    pub count: u64,
    /// Share of the images taken for it that show it; none if none was taken for it.
    pub precision: Option<f64>,
    /// Share of the images showing it that were taken for it; none if none shows it.
    pub recall: Option<f64>,
}

impl Confusion {
    /// Counts one image that shows the digit `truth` and was taken for `predicted`.
    ///
    /// # Errors
    /// [`MetricsError::Class`] when either is above 9; nothing is counted then.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<(), MetricsError> {
        for class in [truth, predicted] {
            if class >= CLASSES {
                return Err(MetricsError::Class { class });
            }
        }
        self.counts[truth][predicted] += 1;
        Ok(())
    }

    /// `counts[true digit][predicted digit]`.
    pub fn counts(&self) -> &[[u64; CLASSES]; CLASSES] {
        &self.counts
    }

    /// Images in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Images classified rightly.
    pub fn correct(&self) -> u64 {
        (0..CLASSES).map(|class| self.counts[class][class]).sum()
    }

    /// Share of the images classified rightly, 0 to 1; none without images.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.total())
    }

    /// Scores of each digit, in order.
    pub fn classes(&self) -> Vec<ClassScore> {
        let score = |class: usize| {
            let count = self.counts[class].iter().sum();
            let taken = self.counts.iter().map(|row| row[class]).sum();
            let right = self.counts[class][class];
            ClassScore { class, count, precision: ratio(right, taken), recall: ratio(right, count) }
        };
        (0..CLASSES).map(score).collect()
    }
}

impl From<[[u64; CLASSES]; CLASSES]> for Confusion {
    /// From `counts[true digit][predicted digit]`.
    fn from(counts: [[u64; CLASSES]; CLASSES]) -> Confusion {
        Confusion { counts }
    }
}

impl From<Confusion> for Report {
    fn from(confusion: Confusion) -> Report {
        Report {
            total: confusion.total(),
            correct: confusion.correct(),
            accuracy: confusion.accuracy(),
            classes: confusion.classes(),
            confusion: confusion.counts,
        }
    }
}

/// A table of counts with the true digits down, the predicted ones across, recall (in %) at the right
/// and precision (in %) at the foot, and the accuracy below; no newline at the end.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scores = self.classes();
        // Room for the widest count, and for a percentage such as "98.7".
        let most = self.counts.iter().flatten().max();
        let width = most.map_or(0, |count| count.to_string().len()).max(4);
        let total_width = self.total().to_string().len().max(5);
        write!(f, "true\\pred")?;
        for class in 0..CLASSES {
            write!(f, " {class:>width$}")?;
        }
        writeln!(f, " {:>total_width$} recall", "count")?;
        for (score, row) in scores.iter().zip(&self.counts) {
            write!(f, "{:>9}", score.class)?;
            for count in row {
                write!(f, " {count:>width$}")?;
            }
            let (count, recall) = (score.count, percent(score.recall));
            writeln!(f, " {count:>total_width$} {recall:>6}")?;
        }
        write!(f, "precision")?;
        for score in &scores {
            write!(f, " {:>width$}", percent(score.precision))?;
        }
        let (correct, total) = (self.correct(), self.total());
        match self.accuracy() {
            Some(share) => {
                let share = 100.0 * share;
                write!(f, "\naccuracy: {share:.2}% ({correct} of {total})")
            }
            None => write!(f, "\naccuracy: - (no images)"),
        }
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One decimal, four characters at most.
fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".into(),
        Some(1.0) => "100".into(),
        // Cut rather than rounded, so that "100" means every one.
        Some(share) => format!("{:.1}", (1000.0 * share).floor() / 10.0),
    }
}
