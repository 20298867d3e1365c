"""Cameras found in worlds whose truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from bitgrove.interfaces import Neighbours
from bitgrove.search import Flat

cv2 = pytest.importorskip("cv2", reason="needs the extra 'localisation'")
pytest.importorskip("matplotlib")

from bitgrove.recipes import relocalisation as reloc  # noqa: E402
from bitgrove.recipes.relocalisation import _map, _render, _score, _searchers, _table  # noqa: E402

LENS = reloc.Lens(300.0, 320, 240)
UP = np.array([0.0, 0.0, 1.0])


def some_pose(seed):
    rng = np.random.default_rng(seed)
    return reloc.look(rng.uniform(-1, 1, 3), np.array([4.0, *rng.uniform(-1, 1, 2)]), 20 * seed)


def smooth(seed, shape=(120, 160)):
    """A texture with blobs of several sizes: SIFT finds them again."""
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), s) * s for s in (2, 4, 8)]
    texture = np.sum(layers, 0)
    low, high = np.percentile(texture, (1, 99))
    return np.clip((texture - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def wall(texture, x=3.0, pixel=0.02):
    """Across the view of a camera that looks along the world's x axis."""
    h, w = texture.shape
    right, down = np.array([0.0, -pixel, 0.0]), np.array([0.0, 0.0, -pixel])
    corner = np.array([x, 0, 0]) - (w - 1) / 2 * right - (h - 1) / 2 * down
    return reloc.Plane(texture, corner, right, down, 0)


@pytest.mark.parametrize("seed", range(4))
def test_points_project_as_opencv_projects_them(seed):
    pose = some_pose(seed)
    points = np.random.default_rng(seed).uniform((3, -2, -2), (6, 2, 2), (50, 3))
    pixels, depths = pose.project(points, LENS)
    turn = cv2.Rodrigues(pose.rotation)[0]
    expected = cv2.projectPoints(points, turn, pose.translation, LENS.matrix, None)[0][:, 0]
    np.testing.assert_allclose(pixels, expected, atol=1e-9)
    assert depths.min() > 1
    np.testing.assert_allclose(depths, (points - pose.centre) @ pose.rotation[2])


def test_a_camera_looks_at_its_target_and_upright():
    centre, target = np.array([1.0, 2.0, 3.0]), np.array([4.0, -1.0, 2.0])
    pose = reloc.look(centre, target, 0)
    np.testing.assert_allclose(pose.centre, centre)
    (middle, above), _ = pose.project(np.array([target, target + UP / 10]), LENS)
    np.testing.assert_allclose(middle, (159.5, 119.5))
    assert above[0] == pytest.approx(159.5)
    assert above[1] < 119.5  # y points down in a picture
    # Rolled by 90 degrees to the right, what was above is to the left.
    (rolled,), _ = reloc.look(centre, target, 90).project(target[None] + UP / 10, LENS)
    assert rolled[0] < 159.5
    assert rolled[1] == pytest.approx(119.5)


@pytest.mark.parametrize("degrees", [1e-6, 0.5, 90.0, 180.0])
def test_the_error_is_the_angle_that_one_camera_was_turned_by(degrees):
    pose = some_pose(1)
    axis = np.array([2.0, -1.0, 2.0]) / 3
    turn = cv2.Rodrigues(axis * np.radians(degrees))[0]
    rotation = turn @ pose.rotation
    other = reloc.Pose(rotation, -rotation @ (pose.centre + np.array([0.0, 3.0, 4.0])))
    metres, measured = other.error(pose)
    assert metres == pytest.approx(5)
    assert measured == pytest.approx(degrees, rel=1e-5)


def test_the_homography_of_a_plane_projects_its_points():
    plane, pose = wall(smooth(0)), some_pose(2)
    pixels = np.random.default_rng(0).uniform(0, 100, (20, 2))
    seen = np.c_[pixels, np.ones(20)] @ plane.homography(pose, LENS).T
    expected, depths = pose.project(plane.points(pixels), LENS)
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], expected, atol=1e-9)
    np.testing.assert_allclose(seen[:, 2], depths)


def test_a_view_shows_at_each_pixel_what_its_ray_meets_first():
    ramp = (np.add.outer(np.arange(120), np.arange(160)) // 2).astype(np.uint8)
    far, near = wall(ramp, x=3.0), wall(np.full((40, 40), 250, np.uint8), x=2.0, pixel=0.01)
    behind = wall(np.full((120, 160), 7, np.uint8), x=-2.0)
    pose = reloc.look(np.array([0.0, 0.3, 0.1]), np.array([3.0, 0.0, 0.0]), 10)
    view = reloc.render([near, far, behind], pose, LENS)
    met = {"near": 0, "far": 0, "nothing": 0}
    for x, y in np.random.default_rng(0).integers(0, (320, 240), (900, 2)):
        ray = pose.rotation.T @ np.linalg.solve(LENS.matrix, (x, y, 1.0))
        places = []
        for plane in (near, far):
            hit = pose.centre + ray * (plane.corner[0] - pose.centre[0]) / ray[0]
            column = (hit - plane.corner) @ plane.right / (plane.right @ plane.right)
            row = (hit - plane.corner) @ plane.down / (plane.down @ plane.down)
            h, w = plane.texture.shape
            # How far inside its border the ray passes, in pixels of the texture.
            places.append((min(column, w - 1 - column, row, h - 1 - row), column, row))
        if any(abs(inside) < 3 for inside, _, _ in places):
            continue  # a border is blended
        if places[0][0] > 0:
            expected, kind = 250.0, "near"
        elif places[1][0] > 0:
            expected, kind = (places[1][1] + places[1][2]) / 2, "far"
        else:
            expected, kind = 128.0, "nothing"
        met[kind] += 1
        assert view[y, x] == pytest.approx(expected, abs=1.1), (x, y, kind)  # // 2 rounds down
    assert min(met.values()) > 10


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("away", [0.0, 1e5])
def test_a_pose_is_recovered_from_exact_matches_among_wrong_ones(seed, away):
    rng, pose = np.random.default_rng(seed), some_pose(seed)
    points = rng.uniform((3, -1, -1), (5, 1, 1), (60, 3))
    if seed % 2:
        points[:, 0] = 4.0  # all on one wall
    pixels, _ = pose.project(points, LENS)
    pixels[40:] = rng.uniform(0, 240, (20, 2))
    moved = reloc.Pose(pose.rotation, pose.translation - pose.rotation @ np.full(3, away))
    estimate = reloc.estimate_pose(points + away, pixels, LENS)
    assert estimate is not None
    assert set(range(40)) <= set(estimate.inliers.tolist())
    metres, degrees = estimate.pose.error(moved)
    assert max(metres, degrees) < 1e-3


def test_matches_that_agree_on_nothing_give_no_pose():
    rng = np.random.default_rng(0)
    points, pixels = rng.uniform(3, 5, (80, 3)), rng.uniform(0, 240, (80, 2))
    assert reloc.estimate_pose(points, pixels, LENS) is None
    exact, _ = some_pose(0).project(points[:11], LENS)
    assert reloc.estimate_pose(points[:11], exact, LENS) is None  # one short of the least
    assert reloc.estimate_pose(points[:11], exact, LENS, least=11) is not None
    assert reloc.estimate_pose(points[:0], pixels[:0], LENS) is None


def test_the_same_matches_give_the_same_pose():
    rng, pose = np.random.default_rng(3), some_pose(3)
    points = rng.uniform((3, -1, -1), (5, 1, 1), (60, 3))
    pixels = pose.project(points, LENS)[0] + rng.normal(0, 1, (60, 2))
    first, second = (reloc.estimate_pose(points, pixels, LENS) for _ in range(2))
    np.testing.assert_array_equal(first.pose.rotation, second.pose.rotation)
    np.testing.assert_array_equal(first.pose.translation, second.pose.translation)


def test_a_match_is_clearly_nearest_and_a_point_is_matched_once():
    rng = np.random.default_rng(0)
    distances = np.sort(rng.integers(1, 40, (200, 2)), 1).astype(np.float32)
    ids = rng.integers(0, 30, (200, 2))
    ids[5] = -1
    features = reloc.Features(rng.random((200, 2), np.float32), np.zeros((200, 128), np.uint8))
    points = rng.random((30, 3))
    best = {}
    for row, ((first, second), (point, _)) in enumerate(zip(distances, ids, strict=True)):
        passed = point >= 0 and np.sqrt(first) < 0.8 * np.sqrt(second)
        if passed and (point not in best or first < distances[best[point], 0]):
            best[point] = row
    expected = {(tuple(points[point]), tuple(features.pixels[row])) for point, row in best.items()}
    found = reloc.match(points, features, Neighbours(distances, ids))
    assert {(tuple(p), tuple(x)) for p, x in zip(*found, strict=True)} == expected
    assert 10 < len(found.points) < 30


def small_world(strange=False):
    textures = [smooth(seed, (200, 300)) for seed in range(8)]
    features = [reloc.detect(texture, 400) for texture in textures]
    rooms = reloc.build_rooms(textures, np.random.default_rng(0))
    index = Flat(128, dtype="uint8")
    index.add(np.concatenate([found.descriptors for found in features]))
    points = reloc.map_points([plane for room in rooms for plane in room.planes], features)
    if strange:
        rooms = reloc.build_rooms(
            [smooth(seed) for seed in range(50, 54)], np.random.default_rng(0)
        )
    return rooms[0], index, points


def test_a_rendered_view_is_localised_and_one_of_elsewhere_is_not():
    room, index, points = small_world()
    assert len(points) == len(index)
    pose = reloc.look(room.middle, room.planes[0].points(np.array([[150, 100]]))[0], 5)
    searcher = _searchers.OnOneThread(index)
    for strange in (False, True):
        room, _, _ = small_world(strange)
        view = _render.CLEAR.photograph(
            reloc.render(room.planes, pose, LENS), np.random.default_rng(0)
        )
        answer = reloc.locate(points, searcher, reloc.detect(view, 300), LENS)
        if strange:
            assert answer.estimate is None
        else:
            metres, degrees = answer.estimate.pose.error(pose)
            assert metres < 0.02
            assert degrees < 0.3
            assert len(answer.estimate.inliers) > 30


def test_the_points_of_a_map_lie_on_their_photographs():
    rng = np.random.default_rng(2)
    textures = [smooth(seed) for seed in range(4)]
    (room,) = reloc.build_rooms(textures, rng)
    features = [
        reloc.Features(np.full((n + 1, 2), n, np.float32), np.zeros((n + 1, 128), np.uint8))
        for n in range(4)
    ]
    points = reloc.map_points(room.planes, features)
    assert len(points) == 10
    by_picture = {plane.picture: plane for plane in room.planes}
    assert [plane.picture for plane in room.planes] != [0, 1, 2, 3]  # hung in another order
    expected = [by_picture[n].corner + n * (by_picture[n].right + by_picture[n].down)
                for n in (0, 1, 1, 2, 2, 2, 3, 3, 3, 3)]  # fmt: skip
    np.testing.assert_allclose(points, expected)
    assert all(by_picture[n].texture is textures[n] for n in range(4))


def test_trees_that_look_everywhere_are_exact():
    rng = np.random.default_rng(0)
    rows, queries = (rng.integers(0, 256, (n, 128)).astype(np.uint8) for n in (300, 20))
    index = Flat(128, dtype="uint8")
    index.add(rows)
    trees = _searchers.KdTrees(rows, checks=1)
    exact = index.search(queries, 2)
    found = trees.with_checks(100_000).search(queries, 2)
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_array_equal(found.distances, exact.distances)
    assert (trees.search(queries, 1).distances[:, 0] > exact.distances[:, 0]).any()


def test_a_summary_counts_what_is_within_both_thresholds():
    errors = [(0.01, 1.0), (0.2, 1.0), (0.01, 9.0), (0.03, 0.1), (None, None)]
    rows = [
        _score.Row("a", seed, "clear", 10, 9, 8, metres, degrees, 0.5, 0.1, 0.2, 0.3)
        for seed, (metres, degrees) in zip((0, 0, 1, 1, 1), errors, strict=True)
    ]
    summary = _score.summarise(rows)
    assert (summary["localised"], summary["answered"], summary["views"]) == (0.4, 0.8, 5)
    assert summary["localised_by_seed"] == pytest.approx([1 / 2, 1 / 3])
    assert summary["median_metres"] == pytest.approx(0.02)
    assert summary["median_degrees"] == 1.0
    assert summary["median_search_ms"] == pytest.approx(200)
    assert "median_metres" not in _score.summarise(rows[4:])


NOISE = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: reloc.Lens(0, 10, 10), "focal must be positive"),
        (lambda: reloc.Lens(5, 0, 10), "width and height must be at least 1, got 0x10"),
        (lambda: reloc.Pose(np.diag([1.0, 1.0, -1.0]), np.zeros(3)), "determinant 1"),
        (lambda: reloc.Pose(np.eye(3), np.zeros(2)), r"got shapes \(\(3, 3\), \(2,\)\)"),
        (lambda: reloc.look(np.zeros(3), np.array([0, 0, 1.0]), 0), "above or below the centre"),
        (lambda: wall(np.zeros((4, 4))), "texture must be uint8"),
        (
            lambda: reloc.Plane(np.zeros((4, 4), np.uint8), np.zeros(3), np.ones(3), np.ones(3)),
            "span no plane",
        ),
        (lambda: reloc.build_rooms([smooth(0)], NOISE), "a room needs 4 textures, got 1"),
        (lambda: reloc.detect(np.zeros((9, 9)), 5), "image must be a uint8 array"),
        (lambda: reloc.detect(np.zeros((9, 9), np.uint8), 0), "most must be at least 1, got 0"),
        (
            lambda: reloc.estimate_pose(np.ones((9, 3)), np.ones((8, 2)), LENS),
            r"got \(9, 3\) and \(8, 2\)",
        ),
        (lambda: reloc.estimate_pose(np.full((9, 3), np.nan), np.ones((9, 2)), LENS), "NaN"),
        (
            lambda: reloc.estimate_pose(np.ones((9, 3)), np.ones((9, 2)), LENS, least=3),
            "least at least 4",
        ),
        (
            lambda: reloc.match(
                np.ones((5, 3)),
                reloc.Features(np.ones((1, 2), np.float32), np.ones((1, 128), np.uint8)),
                Neighbours(np.ones((1, 2), np.float32), np.array([[5, 0]])),
            ),
            "ids must be rows of 5 points, got 0 to 5",
        ),
        (
            lambda: reloc.match(
                np.ones((5, 3)),
                reloc.Features(np.ones((3, 2), np.float32), np.ones((3, 128), np.uint8)),
                Neighbours(np.ones((3, 1), np.float32), np.ones((3, 1), np.int64)),
            ),
            "2 for each of 3 keypoints",
        ),
        (lambda: reloc.map_points([wall(smooth(0))] * 2, [None, None]), "each of 2 photographs"),
        (lambda: _score.summarise([]), "rows must not be empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()


def test_a_picture_without_keypoints_has_none():
    found = reloc.detect(np.full((64, 64), 100, np.uint8), 10)
    assert (found.pixels.shape, found.descriptors.shape) == ((0, 2), (0, 128))
    _, index, points = small_world()
    answer = reloc.locate(points, _searchers.OnOneThread(index), found, LENS)
    assert answer.estimate is None
    assert isinstance(answer.matches, _map.Matches)


def test_the_recipe_localises_views_of_real_photographs(tmp_path, shared_data, capsys):
    if not any((shared_data / name).is_dir() for name in ("bsds500", "sift")):
        pytest.skip("no BSDS500 photographs at hand")
    before = cv2.getNumThreads()
    results = reloc.run(tmp_path, photographs=8, views=2, seeds=1)
    assert cv2.getNumThreads() == before
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(results))
    assert "| 2 clear | Fanng | 100.0% |" in capsys.readouterr().out
    assert len(results["views"]) == 2 * 3 * 4
    assert results["summary"]["clear"]["Fanng"]["median_metres"] < 0.02
    assert results["summary"]["strange"]["Flat"]["answered"] == 0
    assert (tmp_path / "view.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(ValueError, match="holds a run"):
        reloc.run(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resume": True}, "does not resume"),
        ({"seeds": 0}, "at least 1, got 0 and 20"),
        ({"photographs": 10}, "a multiple of 4 up to 440, got 10"),
        ({"photographs": 444}, "got 444"),
    ],
)
def test_options_out_of_range_are_refused_before_any_work(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        reloc.run(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_the_table_of_the_readme_is_that_of_the_measured_file():
    root = Path(__file__).resolve().parents[2]
    measured = json.loads((root / "benchmarks" / "results" / "relocalisation.json").read_text())
    readme = (root / "src/bitgrove/recipes/relocalisation/README.md").read_text()
    assert _table.table(measured) in readme
    assert f"{measured['protocol']['descriptors']:,} descriptors" in readme
