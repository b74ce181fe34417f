import numpy as np
import panda
import pytest

from vla_motion.collision import CollisionModel
from vla_motion.collision_geometry import shapes_from_description
from vla_motion.model import ModelError, RobotModel

# corners of the faces of a cube
_FACES = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)]
_FACES += [(2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]


def cube_stl(path):
    corners = [(x, y, z) for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.1, 0.1)]
    facets = ""
    for face in _FACES:
        lines = "".join(f"vertex {' '.join(map(str, corners[i]))}\n" for i in face)
        facets += f"facet normal 0 0 0\nouter loop\n{lines}endloop\nendfacet\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"solid cube\n{facets}endsolid cube\n")
    return path


def collision_element(geometry, origin=""):
    return f"<collision>{origin}<geometry>{geometry}</geometry></collision>"


def urdf(link, geometry, origin=""):
    """The Panda of panda.py with a ball on its base and this geometry on a link."""
    text = panda.urdf()
    base = collision_element('<sphere radius="0.1"/>')
    text = text.replace('<link name="panda_link0"/>', f'<link name="panda_link0">{base}</link>')
    element = collision_element(geometry, origin)
    if f'<link name="{link}"/>' in text:
        return text.replace(f'<link name="{link}"/>', f'<link name="{link}">{element}</link>')
    return text.replace(f'<link name="{link}">', f'<link name="{link}">{element}')


def load(text, **options):
    model = RobotModel.from_urdf(text, panda.JOINTS, "panda_tool", "panda_link0")
    options = {"self_collision": True, "table_height": -2.0} | options
    return CollisionModel.from_description(text, model, **options)


@pytest.mark.parametrize(
    ("geometry", "reach"),
    [
        ('<sphere radius="0.05"/>', 0.05),
        ('<box size="0.2 0.2 0.1"/>', None),
        ('<cylinder radius="0.05" length="0.1"/>', None),
    ],
)
def test_shapes_sit_where_the_link_is(geometry, reach):
    text = urdf("panda_hand", geometry, '<origin xyz="0.01 0.02 0.1034" rpy="0.1 0.2 0.3"/>')
    collision = load(text)
    for q in np.random.default_rng(1).uniform(panda.LOWER, panda.UPPER, (20, 7)):
        T = collision.model.forward(q)
        centre = T[:3, 3] + T[:3, :3] @ [0.01, 0.02, 0.0]
        closest = collision.minimum_distance(q)
        between = np.linalg.norm(centre) - 0.1
        if reach is not None:
            assert closest.distance == pytest.approx(between - reach, abs=1e-5)
        assert between - 0.15 <= closest.distance <= between
        assert (closest.first, closest.second) == ("panda_link0", "panda_hand")


def test_fixed_links_count_fingers_and_other_links_do_not():
    shelf = collision_element('<box size="9 9 9"/>')
    mount = '<joint name="shelf" type="fixed"><parent link="world"/><child link="shelf"/></joint>'
    world = f'<link name="world"/><link name="shelf">{shelf}</link>{mount}'
    text = urdf("panda_hand", '<sphere radius="0.05"/>').replace('<link name="world"/>', world)
    text = text.replace('<link name="finger">', '<link name="finger">' + collision_element('<sphere radius="0.2"/>'))
    model = RobotModel.from_urdf(text, panda.JOINTS, "panda_tool", "panda_link0")
    shapes = shapes_from_description(text, model).shapes
    assert [(shape.body, shape.joint) for shape in shapes] == [("panda_link0", 0), ("panda_hand", 7)]


def test_meshes_are_found_as_package_file_and_absolute_path(tmp_path, monkeypatch):
    path = cube_stl(tmp_path / "share" / "arm_description" / "meshes" / "cube.stl")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path}")
    distances = []
    for uri in ("package://arm_description/meshes/cube.stl", f"file://{path}", str(path)):
        collision = load(urdf("panda_hand", f'<mesh filename="{uri}" scale="1 1 2"/>'))
        distances.append(collision.minimum_distance(np.array(panda.HOME)).distance)
    box = load(urdf("panda_hand", '<box size="0.2 0.2 0.4"/>'))
    assert distances == pytest.approx([box.minimum_distance(np.array(panda.HOME)).distance] * 3, abs=1e-5)


@pytest.mark.parametrize("uri", ["package://absent/cube.stl", "file:///absent/cube.stl", "/absent/cube.stl"])
def test_a_mesh_that_is_not_found_is_named_with_its_link(uri, monkeypatch, tmp_path):
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(ModelError, match=f"mesh {uri} of link panda_link4 is not found; looked for: .*cube.stl"):
        load(urdf("panda_link4", f'<mesh filename="{uri}"/>'))


def test_meshes_that_cannot_be_used_are_named(tmp_path):
    broken = tmp_path / "broken.stl"
    broken.write_text("solid\n")
    with pytest.raises(ModelError, match="broken.stl of link panda_link4|span no volume"):
        load(urdf("panda_link4", f'<mesh filename="{broken}"/>'))
    with pytest.raises(ModelError, match="collision of link panda_link4 is a cone; allowed are box"):
        load(urdf("panda_link4", "<cone/>"))


def test_motion_of_meshes_is_proven_too(tmp_path):
    path = cube_stl(tmp_path / "cube.stl")
    collision = load(urdf("panda_hand", f'<mesh filename="{path}"/>'), table_height=0.2)
    home = np.array(panda.HOME)
    assert collision.edge_free(home, home + 0.02)
    down = home + 0.6 * np.eye(7)[1]
    assert not collision.edge_free(home, down)
    assert collision.minimum_distance(down).second == "table"


def test_a_cylinder_with_a_sphere_at_each_end_is_a_capsule():
    """As URDF has none. Read as three shapes, those of neighbours that always overlap would be told one by one."""
    capsule = "".join(
        f'<collision><origin xyz="{x} 0 0" rpy="0 {turn} 0"/><geometry>{form}</geometry></collision>'
        for x, turn, form in (
            (0.1, 1.5707963267948966, '<cylinder radius="0.05" length="0.3"/>'),
            (-0.05, 0, '<sphere radius="0.05"/>'),
            (0.25, 0, '<sphere radius="0.05"/>'),
            (0.4, 0, '<sphere radius="0.05"/>'),
        )
    )
    text = (
        '<robot name="r"><link name="base"/><joint name="j" type="revolute"><parent link="base"/><child link="tool"/>'
        '<axis xyz="0 0 1"/><limit lower="-1" upper="1" velocity="1" effort="1"/></joint>'
        f'<link name="tool">{capsule}</link></robot>'
    )
    shapes = shapes_from_description(text, RobotModel.from_urdf(text, ["j"], "tool", "base")).shapes
    assert [type(s.geometry).__name__ for s in shapes] == ["Capsule", "Sphere"]
    assert shapes[0].geometry.halfLength == 0.15 and np.allclose(shapes[0].placement[:3, 3], [0.1, 0, 0])
