//! Names of people who do not exist.

use super::random::Numbers;

const FIRST: [&str; 40] = [
    "Ada", "Amir", "Anja", "Bela", "Bruno", "Carla", "Chidi", "Dana", "Diego", "Elif", "Emil",
    "Fatou", "Felix", "Greta", "Hana", "Hugo", "Ines", "Ivo", "Jana", "Jonas", "Kaya", "Kofi",
    "Lena", "Liam", "Mara", "Mateo", "Mina", "Nadia", "Nils", "Olga", "Omar", "Priya", "Quinn",
    "Rosa", "Samir", "Tess", "Umut", "Vera", "Yuki", "Zoe",
];

const LAST: [&str; 40] = [
    "Abbott",
    "Alvarez",
    "Bauer",
    "Becker",
    "Brandt",
    "Castro",
    "Cho",
    "Dahl",
    "Demir",
    "Duarte",
    "Eriksen",
    "Farkas",
    "Fischer",
    "Garcia",
    "Haddad",
    "Hansen",
    "Ito",
    "Jansen",
    "Kaur",
    "Keller",
    "Kovacs",
    "Laurent",
    "Lindqvist",
    "Mbeki",
    "Moreau",
    "Nakamura",
    "Novak",
    "Okafor",
    "Oliveira",
    "Park",
    "Petrov",
    "Rossi",
    "Santos",
    "Schmidt",
    "Silva",
    "Tanaka",
    "Varga",
    "Weber",
    "Yilmaz",
    "Zhang",
];

/// A name and its e-mail address under example.com; `number` makes the address unique.
pub(super) fn person(numbers: &mut Numbers, number: usize) -> (String, String) {
    let (first, last) = (numbers.pick(&FIRST), numbers.pick(&LAST));
    let email = format!(
        "{}.{}{number}@example.com",
        first.to_lowercase(),
        last.to_lowercase()
    );
    (format!("{first} {last}"), email)
}
