"""Who else does what one node alone may do."""

from vla_contract.rivals import UNNAMED, Claim, in_words, others, outsiders


def test_a_node_is_no_rival_of_itself_and_one_of_the_same_name_is():
    assert others([], "/controller", 0) == []
    assert others(["/controller"], "/controller", 1) == []
    assert others(["/controller", "/controller"], "/controller", 1) == ["another /controller"]
    assert others(["/controller"], "/controller", 0) == ["another /controller"], "before this one has begun"
    assert others(["/teach", "/controller", "/gui", "/teach"], "/controller", 1) == ["/gui", "/teach"]
    assert others([UNNAMED, "/cell/controller"], "/controller", 1) == ["/cell/controller", UNNAMED]


def test_each_is_told_once_with_all_that_it_does_and_where():
    claims = [Claim("/vla/status", "is a controller here"), Claim("/arm/go", "commands the arm"), Claim("/hand/go", "grips")]
    assert in_words(claims, {"/arm/go": [], "/vla/status": []}) == ""
    words = in_words(claims, {"/hand/go": ["/gui"], "/arm/go": ["/gui", "/x"], "/vla/status": ["another /c"]})
    assert words == (
        "another /c is a controller here (/vla/status); /gui commands the arm (/arm/go) and grips (/hand/go); "
        "/x commands the arm (/arm/go)"
    )


def test_who_is_no_controller_and_publishes_all_the_same_is_an_outsider():
    controllers = ["/controller", "/controller", "/other/controller"]
    assert outsiders(controllers, ["/controller", "/controller"]) == []
    assert outsiders(controllers, ["/controller", "/gui", "/gui"]) == ["/gui"]
    assert outsiders(["/controller"], ["/controller", "/controller"]) == ["/controller"], "two of the name, one a controller"
