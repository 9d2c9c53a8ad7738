"""The demo's data and network: what is loaded, and that the slopes are right."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from experiments.demo import network


def test_the_data_file_is_the_one_that_data_md_describes() -> None:
    digest = hashlib.sha256(network.DATA.read_bytes()).hexdigest()
    assert f"`{digest}`" in network.DATA.with_name("DATA.md").read_text()


def test_the_loader_gives_1797_images_of_64_pixels_and_their_digits() -> None:
    images, digits = network.load_digits()
    assert images.shape == (1797, 64)
    assert (images.min(), images.max()) == (0, 1)
    assert np.bincount(digits).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip


def test_450_images_are_held_out_and_none_of_them_trains() -> None:
    kept, held_out = network.split(1797)
    assert len(held_out) == 450
    assert sorted([*kept, *held_out]) == list(range(1797))
    assert network.split(1797)[1].tolist() == held_out.tolist()


@pytest.mark.parametrize("name", ["w0", "b0", "w1", "b1", "w2", "b2"])
def test_the_slopes_are_those_that_a_small_change_of_a_weight_shows(name: str) -> None:
    rng = np.random.default_rng(3)
    weights = network.new_network(5, rng)
    images, digits = rng.random((7, 64)), rng.integers(10, size=7)
    slopes, _ = network.gradients(weights, images, digits)
    place = np.unravel_index(np.argmax(np.abs(slopes[name])), slopes[name].shape)
    losses = []
    for change in (1e-6, -2e-6):
        weights[name][place] += change
        losses.append(network.gradients(weights, images, digits)[1])
    assert slopes[name][place] == pytest.approx((losses[0] - losses[1]) / 2e-6, 1e-4)


def test_an_image_read_at_its_own_pixels_is_the_image() -> None:
    images = np.random.default_rng(0).random((3, 64))
    row, column = np.indices((8, 8)).reshape(2, 1, -1).repeat(3, axis=1)
    assert np.allclose(network.read_between(images, row, column), images)


def test_an_image_moved_by_one_pixel_has_a_white_edge() -> None:
    images = np.ones((1, 64))
    row, column = np.indices((8, 8)).reshape(2, 1, -1)
    moved = network.read_between(images, row + 1.0, column).reshape(8, 8)
    assert moved[-1].tolist() == [0] * 8
    assert moved[:-1].min() == 1


def test_epochs_are_alike_for_one_seed_and_unlike_for_another() -> None:
    first, again, other = (
        next(
            network.training(
                learning_rate=0.05,
                momentum=0.9,
                hidden_units=16,
                batch_size=128,
                weight_decay=0.0001,
                epochs=1,
                seed=seed,
            )
        )[1]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
