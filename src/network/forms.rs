//! How paddings and widths are written in a file.

use serde::de::{Deserialize, Deserializer, Error};

use crate::ops::Padding;

pub(super) fn same() -> Padding {
    Padding::Same
}

/// `"same"`, `"valid"` or a number.
pub(super) mod padding {
    use std::fmt;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    use crate::ops::Padding;

    pub fn serialize<S: Serializer>(padding: &Padding, to: S) -> Result<S::Ok, S::Error> {
        match padding {
            Padding::Same => to.serialize_str("same"),
            Padding::Valid => to.serialize_str("valid"),
            Padding::Pixels(n) => to.serialize_u64(*n as u64),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Padding, D::Error> {
        from.deserialize_any(Form)
    }

    struct Form;

    impl Visitor<'_> for Form {
        type Value = Padding;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"same\", \"valid\" or a number of pixels")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Padding, E> {
            match text {
                "same" => Ok(Padding::Same),
                "valid" => Ok(Padding::Valid),
                _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
            }
        }

        fn visit_u64<E: Error>(self, n: u64) -> Result<Padding, E> {
            let pixels = usize::try_from(n);
            let number = serde::de::Unexpected::Unsigned(n);
            Ok(Padding::Pixels(pixels.map_err(|_| E::invalid_value(number, &self))?))
        }

        fn visit_i64<E: Error>(self, n: i64) -> Result<Padding, E> {
            let pixels = usize::try_from(n);
            let number = serde::de::Unexpected::Signed(n);
            Ok(Padding::Pixels(pixels.map_err(|_| E::invalid_value(number, &self))?))
        }
    }
}

/// As many numbers as there are, no more: an array by itself leaves out what is too many.
pub(super) fn numbers<'de, D: Deserializer<'de>, const N: usize>(
    from: D,
) -> Result<[usize; N], D::Error> {
    let numbers = Vec::<usize>::deserialize(from)?;
    let wrong = |numbers: Vec<usize>| {
        D::Error::custom(format!("there are {} numbers, and {N} are wanted", numbers.len()))
    };
    numbers.try_into().map_err(wrong)
}

/// Six numbers, in the order of the paper's columns.
pub(super) mod widths {
    use serde::{Deserializer, Serialize, Serializer};

    use crate::model::Widths;

    pub fn serialize<S: Serializer>(widths: &Widths, to: S) -> Result<S::Ok, S::Error> {
        let Widths { one, reduce_three, three, reduce_five, five, pool } = *widths;
        [one, reduce_three, three, reduce_five, five, pool].serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Widths, D::Error> {
        let [one, reduce_three, three, reduce_five, five, pool] = super::numbers(from)?;
        Ok(Widths { one, reduce_three, three, reduce_five, five, pool })
    }
}
