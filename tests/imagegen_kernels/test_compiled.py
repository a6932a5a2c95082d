"""What the static gate reads from a listing, by hand."""

from collections import Counter

from tests.imagegen_kernels.compiled import _instructions, packs_along_a_row

LISTING = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/                   LDS R4, [R2] ;
        /*0020*/              @!P1 IMMA.16832.S8.S8.SAT R8, R4, R6, R8 ;
        /*0030*/                   IMMA.16832.S8.S8.SAT R8, R4, R6, R8 ;
        /*0040*/               @P0 BRA `(.L_x_1) ;
.L_x_2:
        /*0050*/                   STG.E [R2], R8 ;
        /*0060*/               @P0 BRA `(.L_x_2) ;
        /*0070*/               @P2 BRA `(.L_x_3) ;
.L_x_3:
        /*0080*/                   EXIT ;
"""


def test_the_loop_with_the_products_is_found() -> None:
    opcodes, loop = _instructions(LISTING)
    assert opcodes == Counter(MOV=1, LDS=1, IMMA=2, BRA=3, STG=1, EXIT=1)
    assert loop == Counter(LDS=1, IMMA=2, BRA=1)


def test_without_products_there_is_no_loop() -> None:
    assert not _instructions(LISTING.replace("IMMA", "IMAD"))[1]


def layouts(register: str) -> str:
    kind = "tensor<64x32xi8, #linear>"
    return (
        f"#linear = #ttg.linear<{{register = {register}, lane = [[0, 8]], warp = [], block = []}}>\n"
        f'%w:2 = tt.elementwise_inline_asm "and" {{packed_element = 4 : i32}} %p : {kind} -> {kind}, {kind}\n'
    )


def test_elements_of_one_row_beside_each_other_are_told_from_others() -> None:
    assert packs_along_a_row(layouts("[[0, 1], [0, 2], [8, 0]]"))
    assert not packs_along_a_row(layouts("[[0, 1], [8, 0], [0, 2]]"))
    assert not packs_along_a_row("no assembly at all")
