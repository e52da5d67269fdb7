//! The compression function of MD5 (RFC 1321, 3.4) on L messages at once, over plain arrays: pure.
//!
//! A step works on whole rows, one word of each message, so that a compiler which may use vector instructions keeps a row
//! in a register. Messages do not mix: what happens in one lane depends on that lane alone.

/// One word of each of L messages.
pub(super) type Row<const L: usize> = [u32; L];
/// The four chaining words of each of L messages.
pub(super) type State<const L: usize> = [Row<L>; 4];

/// The chaining words before the first block.
pub(super) const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The integer part of 2^32 times |sin(i + 1)|.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// One step: `a` becomes `b + ((a + f(b, c, d) + word + sine) <<< turn)`.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "the index is below the length of all rows, and rows that are walked by iterators are not vectorised"
)]
fn step<const L: usize>(
    [a, b, c, d]: State<L>,
    words: &Row<L>,
    (sine, turn): (u32, u32),
    f: impl Fn(u32, u32, u32) -> u32,
) -> State<L> {
    let mut next = [0; L];
    for lane in 0..L {
        let sum = a[lane]
            .wrapping_add(f(b[lane], c[lane], d[lane]))
            .wrapping_add(words[lane].wrapping_add(sine));
        next[lane] = sum.rotate_left(turn).wrapping_add(b[lane]);
    }
    [d, next, b, c]
}

/// Takes one block of each message, given as its sixteen words, into the states.
#[inline(always)]
pub(super) fn compress<const L: usize>(state: &mut State<L>, words: &[Row<L>; 16]) {
    let mut s = *state;
    // Written out, so that every index and turn is a constant.
    macro_rules! four {
        ($f:expr, $at:literal, $by:literal + $from:literal, $turns:expr) => {{
            s = step(
                s,
                &words[($at * $by + $from) % 16],
                (SINES[$at], $turns.0),
                $f,
            );
            s = step(
                s,
                &words[(($at + 1) * $by + $from) % 16],
                (SINES[$at + 1], $turns.1),
                $f,
            );
            s = step(
                s,
                &words[(($at + 2) * $by + $from) % 16],
                (SINES[$at + 2], $turns.2),
                $f,
            );
            s = step(
                s,
                &words[(($at + 3) * $by + $from) % 16],
                (SINES[$at + 3], $turns.3),
                $f,
            );
        }};
    }
    macro_rules! round {
        ($f:expr, $first:literal $second:literal $third:literal $fourth:literal, $by:literal + $from:literal, $turns:expr) => {{
            four!($f, $first, $by + $from, $turns);
            four!($f, $second, $by + $from, $turns);
            four!($f, $third, $by + $from, $turns);
            four!($f, $fourth, $by + $from, $turns);
        }};
    }
    round!(|b, c, d| d ^ (b & (c ^ d)), 0 4 8 12, 1 + 0, (7, 12, 17, 22));
    round!(|b, c, d| c ^ (d & (b ^ c)), 16 20 24 28, 5 + 1, (5, 9, 14, 20));
    round!(|b, c, d| b ^ c ^ d, 32 36 40 44, 3 + 5, (4, 11, 16, 23));
    round!(|b, c, d| c ^ (b | !d), 48 52 56 60, 7 + 0, (6, 10, 15, 21));
    for (before, after) in state.iter_mut().zip(s) {
        for (before, after) in before.iter_mut().zip(after) {
            *before = before.wrapping_add(after);
        }
    }
}
