"""A sheet has a place for every picture, its text below, and whatever letters a prompt has."""

import numpy as np

from training.evaluation.sheets import CELL, LINE, Cell, contact_sheet


def test_pictures_are_laid_out_in_rows_with_text_below() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    cells = [Cell(red, (("tênis azul-marinho masculino de corrida", True), ("wrong", False)))] * 3
    sheet = np.asarray(contact_sheet(cells, columns=2))
    assert sheet.shape == (2 * (CELL + 2 * LINE + 4), 2 * CELL, 3)
    assert (sheet[10, CELL + 10] == (255, 0, 0)).all()
    assert (sheet[-10, CELL + 10 :] == 255).all()  # the fourth place is empty
    assert (sheet[CELL : CELL + 2 * LINE] < 128).any()
