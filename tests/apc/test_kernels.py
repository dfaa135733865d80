from apc.kernels import announced


def test_compilations_are_announced_while_they_are_listened_to() -> None:
    import numba

    said: list[str] = []
    with announced(lambda: said.append("now")):
        twice = numba.njit(lambda x: x + x)
        assert said == []
        assert twice(2) == 4 and said == ["now"]
        assert twice(3) == 6 and said == ["now"]
    assert numba.njit(lambda x: x - 1)(1) == 0 and said == ["now"]
