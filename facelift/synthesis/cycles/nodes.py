"""Blender's shader nodes written as formulas: `graph.attribute("rest").z * 60` is three nodes and two links."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """The output socket of a node. Numbers stand beside sockets wherever a formula takes either."""

    graph: Graph
    socket: object

    def math(self, operation: str, *others) -> Value:
        return self.graph.node("ShaderNodeMath", self, *others, operation=operation)

    def __add__(self, other):
        return self.math("ADD", other)

    def __sub__(self, other):
        return self.math("SUBTRACT", other)

    def __rsub__(self, other):
        return self.graph.node("ShaderNodeMath", other, self, operation="SUBTRACT")

    def __mul__(self, other):
        return self.math("MULTIPLY", other)

    __radd__, __rmul__ = __add__, __mul__

    def __gt__(self, other):
        return self.math("GREATER_THAN", other)

    def fract(self):
        return self.math("FRACT")

    def sin(self):
        return self.math("SINE")

    def abs(self):
        return self.math("ABSOLUTE")

    def max(self, other):
        return self.math("MAXIMUM", other)

    def atan2(self, other):
        return self.math("ARCTAN2", other)

    def smoothstep(self, low: float, high: float) -> Value:
        """0 below `low`, 1 above `high`; `low` may be the greater one."""
        if low > high:
            return 1 - self.smoothstep(high, low)
        return self.graph.node("ShaderNodeMapRange", self, low, high, interpolation_type="SMOOTHSTEP")

    @property
    def xyz(self) -> tuple[Value, Value, Value]:
        node = self.graph.make("ShaderNodeSeparateXYZ", (self,))
        x, y, z = (Value(self.graph, socket) for socket in node.outputs)
        return x, y, z

    def distance(self, place) -> Value:
        return Value(self.graph, self.graph.make("ShaderNodeVectorMath", (self, tuple(place)), operation="DISTANCE").outputs["Value"])

    def scaled(self, factor) -> Value:
        node = self.graph.make("ShaderNodeVectorMath", (self,), operation="SCALE")
        self.graph.put(node.inputs["Scale"], factor)
        return Value(self.graph, node.outputs["Vector"])


class Graph:
    """The node tree of a new material or world."""

    def __init__(self, owner):
        owner.use_nodes = True
        self.tree = owner.node_tree
        self.tree.nodes.clear()

    def make(self, kind: str, inputs=(), **properties):
        """A node with its first inputs set or linked."""
        node = self.tree.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        for socket, value in zip((s for s in node.inputs if s.enabled), inputs, strict=False):
            self.put(socket, value)
        return node

    def node(self, kind: str, *inputs, **properties) -> Value:
        return Value(self, self.make(kind, inputs, **properties).outputs[0])

    def put(self, socket, value) -> None:
        if isinstance(value, Value):
            self.tree.links.new(value.socket, socket)
        else:
            socket.default_value = value

    def attribute(self, name: str, output: str = "Color") -> Value:
        """Of the mesh or curves. output: "Color", "Vector" or "Fac" (a number)."""
        return Value(self, self.make("ShaderNodeAttribute", attribute_name=name).outputs[output])

    def noise(self, place: Value, scale: float, detail: float = 3.0) -> Value:
        """Cloudy noise around 0.5. scale: clouds a metre."""
        node = self.make("ShaderNodeTexNoise", (place,))
        for name, value in (("Scale", scale), ("Detail", detail)):
            node.inputs[name].default_value = value
        return Value(self, node.outputs["Fac"])

    def color(self, *rgb: float) -> tuple:
        return (*(float(c) for c in rgb), 1.0)

    def mix(self, amount, a, b, blend: str = "MIX") -> Value:
        """Colours: `a` where amount is 0, `b` where it is 1."""
        node = self.make("ShaderNodeMix", data_type="RGBA", blend_type=blend)
        for socket, value in zip((s for s in node.inputs if s.enabled), (amount, a, b), strict=True):
            self.put(socket, value)
        return Value(self, next(s for s in node.outputs if s.enabled))

    def bump(self, height: Value, distance: float, strength: float = 1.0) -> Value:
        """A normal. distance: world units that height 1 stands for."""
        node = self.make("ShaderNodeBump")
        for name, value in (("Strength", strength), ("Distance", distance), ("Height", height)):
            self.put(node.inputs[name], value)
        return Value(self, node.outputs["Normal"])

    def shader(self, kind: str, **inputs) -> Value:
        """A BSDF; names of inputs with _ for a space."""
        node = self.tree.nodes.new(kind)
        for name, value in inputs.items():
            self.put(node.inputs[name.replace("_", " ")], value)
        return Value(self, node.outputs[0])

    def mixed(self, amount, a: Value, b: Value) -> Value:
        """BSDFs: `a` where amount is 0."""
        return self.node("ShaderNodeMixShader", amount, a, b)

    def output(self, surface: Value, kind: str = "ShaderNodeOutputMaterial") -> None:
        self.put(self.tree.nodes.new(kind).inputs["Surface"], surface)
