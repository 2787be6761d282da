"""Plugins with one fault each, and the line that must say so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    kind: str
    expected: str
    """Without the plugin's name and the component in front."""

    source: str
    """Of a class `Part`; what it needs may stand before it."""


LATENT = '''
class Site(nn.Module):
    def __init__(self, z_dim, k):
        super().__init__()
        self.out_features = z_dim
        self.k = k
        self.embed = Embed(k, z_dim)
        {init}

    def forward(self, z, y):
        {forward}


class Part(Conditioning):
    """A scheme."""

    name = "part"

    def latent(self, z_dim, spec):
        return Site(z_dim, spec.num_classes)
'''


def latent(forward: str, init: str = "pass") -> str:
    return LATENT.format(forward=forward, init=init)


def regularizer(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f'class Part(Regularizer):\n    """A term."""\n\n    name = "part"\n\n{lines}\n'


def loss(d: str, g: str = "torch.nn.functional.softplus(-fake)") -> str:
    return (
        'class Part(Loss):\n    """A loss."""\n\n    name = "part"\n\n'
        f"    def d(self, real, fake):\n        return {d}\n\n"
        f"    def g(self, fake, real=None):\n        return {g}\n"
    )


def augmentation(returned: str, before: str = "") -> str:
    return (
        f'{before}\nclass Part(Augmentation):\n    """A change."""\n\n    name = "part"\n\n'
        f"    def augment(self, x, step, state):\n        return {returned}\n"
    )


GENERATOR = '''
class Part(Generator):
    """A network."""

    name = "part"
    sizes = (16,)

    def build(self, z_dim, spec, sites):
        return Net(z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(self, z_dim, spec, sites):
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        self.shape = (spec.channels, 16, 16)
        self.first = nn.Linear(self.latent.out_features, 8)
        self.norm = sites.norm(8, nn.Identity())
        self.last = nn.Linear(8, spec.channels * 256)
        {init}

    def synthesize(self, latents):
        h = torch.relu(self.norm(self.first({w}), latents.style))
        return {out}.view(-1, *self.shape)
'''
DISCRIMINATOR = '''
class Part(Discriminator):
    """A network."""

    name = "part"
    sizes = (16,)

    def build(self, spec, sites):
        return Net(spec, sites)


class Net(DiscriminatorNet):
    def __init__(self, spec, sites):
        super().__init__()
        self.image = sites.image()
        self.conv = nn.Conv2d(self.image.out_channels, 4, 4, 4)
        self.head = sites.head(64, nn.Linear(64, {outputs}))

    def features(self, x):
        return self.conv(x).flatten(1){after}
'''


def generator(w: str = "latents.w", out: str = "torch.tanh(self.last(h))", init: str = "") -> str:
    return GENERATOR.format(w=w, out=out, init=init or "pass")


def metric(values: str, body: str = "") -> str:
    return (
        'class Part(Metric):\n    """A number."""\n\n    name = "part"\n\n'
        f"    def compute(self, fake, real):\n        {body or 'pass'}\n        return {values}\n"
    )


EXTRACTOR = '''
class Part(Extractor):
    """Pixels."""

    name = "part"

    def load(self, dataset, channels):
        return Net(){mode}


class Net(ExtractorNet):
    id = "part-0"
    class_names = ()
    has_logits = False

    def forward(self, images):
        h = images.float().flatten(1)
        return {out}, h[:, :0]
'''


def dataset(images: str, labels: str = "np.arange(8) % 2", names: str = '("a", "b")') -> str:
    return (
        'RANDOM = np.random.default_rng()\n\n\nclass Part(Dataset):\n    """Noise."""\n\n'
        f'    name = "part"\n\n    def read(self, root, split):\n'
        f"        return Images({images}, {labels}, {names})\n"
    )


BLACK = "np.zeros((8, 16, 16), np.uint8)"
GOOD_LATENT = latent("return z + self.embed(y)")

BROKEN = {
    # ------------------------------------------------------------------ declarations
    "illegal name": Broken(
        "loss",
        "name: expected lower-case words joined by hyphens, got 'My_Part'",
        loss("torch.nn.functional.softplus(fake - real)").replace('"part"', '"My_Part"'),
    ),
    "no docstring": Broken(
        "conditioning",
        "Part: expected a docstring that says what it is, got nothing",
        GOOD_LATENT.replace('"""A scheme."""', "pass"),
    ),
    "method not written": Broken(
        "metric",
        "compute(): expected to be written, got the one of the base class",
        'class Part(Metric):\n    """A number."""\n\n    name = "part"\n',
    ),
    "option without docs": Broken(
        "conditioning",
        "option 'std': expected a docstring below it, got nothing",
        GOOD_LATENT.replace('name = "part"', 'name = "part"\n    std: float = 1.0'),
    ),
    "option that YAML changes": Broken(
        "conditioning",
        "option 'size': expected 2 from its YAML, got 3",
        "from typing import Annotated\nfrom pydantic import PlainSerializer\n\n"
        + GOOD_LATENT.replace(
            'name = "part"',
            'name = "part"\n'
            "    size: Annotated[int, PlainSerializer(lambda size: size + 1)] = 2\n"
            '    """How many."""',
        ),
    ),
    # ------------------------------------------------------------------------- sites
    "wrong shape": Broken(
        "conditioning",
        "latent(): expected shape (1, 17) for 1 image, 2 classes, got shape (1, 16)",
        latent("return z + self.embed(y)", "self.out_features += 1"),
    ),
    "no out_features": Broken(
        "conditioning",
        "latent(): expected a module with an integer `out_features`, got nothing",
        latent("return z + self.embed(y)", "del self.out_features"),
    ),
    "no module": Broken(
        "conditioning",
        "image(): expected a torch module or None, got int",
        'class Part(Conditioning):\n    """A scheme."""\n\n    name = "part"\n\n'
        "    def image(self, channels, spec):\n        return channels\n",
    ),
    "rows not accepted": Broken(
        "conditioning",
        "latent(): expected no error for 1 image, 2 classes, labels (N, K), got IndexError: "
        "tensors used as indices must be long, int, byte or bool tensors (line 17)",
        latent("return z + self.embed.table.weight[y]"),
    ),
    "rows are read otherwise": Broken(
        "conditioning",
        "latent(): expected the same for indices (N,) and their one-hot rows (N, K), "
        "got a difference of 1",
        latent("return z + self.embed(y) + (y.dim() == 2)"),
    ),
    "site of numbers that are not finite": Broken(
        "conditioning",
        "latent(): expected finite numbers for 1 image, 2 classes, got some that are not",
        latent("return (z + self.embed(y)) / 0"),
    ),
    "ignores the label": Broken(
        "conditioning",
        "latent(): expected another output for other labels, got the same",
        latent("return z + self.embed.table.weight.mean(0)"),
    ),
    "norm that ignores its style": Broken(
        "conditioning",
        "norm(): expected another output for other labels, got the same",
        "class Site(nn.Module):\n    def forward(self, h, style):\n        return h * 2\n\n\n"
        'class Part(Conditioning):\n    """A scheme."""\n\n    name = "part"\n\n'
        "    def norm(self, channels, style_dim, plain, spec):\n        return Site()\n",
    ),
    "parameter without gradient": Broken(
        "conditioning",
        "latent(): expected a gradient at the parameter 'unused', got nothing",
        latent("return z + self.embed(y)", "self.unused = nn.Parameter(torch.ones(2))"),
    ),
    "no gradient at the input": Broken(
        "conditioning",
        "latent(): expected a gradient at its input, got nothing",
        latent("return z.detach() + self.embed(y)"),
    ),
    "random numbers of its own": Broken(
        "conditioning",
        "latent(): expected the same output from the same seed, got a difference of 1",
        "import itertools\n\nCOUNT = itertools.count()\n\n\n"
        + latent("return z + self.embed(y) + next(COUNT)"),
    ),
    "raises inside": Broken(
        "conditioning",
        "latent(): expected no error for 1 image, 2 classes, got ValueError: not today (line 17)",
        latent("raise ValueError('not today')"),
    ),
    # ------------------------------------------------------------------------- terms
    "term that is no scalar": Broken(
        "regularizer",
        "d_terms()['part']: expected a scalar for 2 images, 2 classes, got shape (2,)",
        regularizer("def d_terms(self, step, state):\n    return {'part': step.real.output.logit}"),
    ),
    "term without gradient": Broken(
        "regularizer",
        "g_terms()['part']: expected a term with a gradient, got a constant",
        regularizer(
            "def g_terms(self, step, state):\n"
            "    return {'part': step.fake.output.logit.mean().detach()}"
        ),
    ),
    "term that is not finite": Broken(
        "regularizer",
        "d_terms()['part']: expected a finite number for 2 images, 2 classes, got nan",
        regularizer(
            "def d_terms(self, step, state):\n"
            "    return {'part': step.real.output.logit.mean() * float('nan')}"
        ),
    ),
    "adversarial that is reduced": Broken(
        "regularizer",
        "adversarial(): expected shape (2,) for 2 images, 2 classes, got shape ()",
        regularizer("def adversarial(self, step, plain, state):\n    return plain().mean()"),
    ),
    "reads a value": Broken(
        "regularizer",
        "step: expected that no tensor's value is read in a step, got it (line 15)",
        regularizer(
            "def d_terms(self, step, state):\n"
            "    mean = step.real.output.logit.mean()\n"
            "    return {'part': mean * mean.item()}"
        ),
    ),
    "learns in its state": Broken(
        "regularizer",
        "state(): expected buffers only, got the parameter 'weight'",
        regularizer(
            "def state(self, spec):\n"
            "    module = nn.Module()\n"
            "    module.weight = nn.Parameter(torch.ones(()))\n"
            "    return module"
        ),
    ),
    "state that is not restored": Broken(
        "regularizer",
        "training: expected to go on after a resume as if there had been none, "
        "got another discriminator/conv.weight",
        regularizer(
            "def state(self, spec):\n"
            "    module = nn.Module()\n"
            "    module.mean = torch.zeros(())\n"
            "    return module\n\n"
            "def d_terms(self, step, state):\n"
            "    logit = step.real.output.logit.mean()\n"
            "    state.mean = 0.5 * state.mean + logit.detach()\n"
            "    return {'part': (logit - state.mean).square()}"
        ),
    ),
    "random term of its own": Broken(
        "regularizer",
        "training: expected the same weights from the same seed, got another "
        "discriminator/conv.weight",
        "RANDOM = torch.Generator()\nRANDOM.seed()\n\n\n"
        + regularizer(
            "def d_terms(self, step, state):\n"
            "    noise = torch.rand((), generator=RANDOM)\n"
            "    return {'part': noise * step.real.output.logit.mean()}"
        ),
    ),
    # ---------------------------------------------------------------------- training
    "weights that grow beyond all bounds": Broken(
        "regularizer",
        "training: expected finite numbers in fp32, got loss_g = nan at step 1",
        regularizer(
            "def after_step(self, step, state):\n"
            "    if step.index == 0 and step.role == 'discriminator' and len(step.real.x) == 4:\n"
            "        for p in step.D.parameters():\n"
            "            p.copy_(p * float('inf'))"
        ),
    ),
    "not in bf16": Broken(
        "conditioning",
        "training: expected no error for 2 steps in bf16, got TypeError: not in bf16 (line 11)",
        "class Site(nn.Module):\n"
        "    def forward(self, h, style):\n"
        "        if h.dtype == torch.bfloat16:\n            raise TypeError('not in bf16')\n"
        "        return h * style[:, 0].view(-1, *(1,) * (h.dim() - 1))\n\n\n"
        'class Part(Conditioning):\n    """A scheme."""\n\n    name = "part"\n\n'
        "    def norm(self, channels, style_dim, plain, spec):\n        return Site()\n",
    ),
    # ------------------------------------------------------------------------ losses
    "reduced loss": Broken(
        "loss",
        "d(): expected shape (1,) for 1 logits, got shape ()",
        loss("torch.nn.functional.softplus(fake - real).mean()"),
    ),
    "infinite loss": Broken(
        "loss",
        "d(): expected finite numbers at logits -10000 of real and 10000 of generated images, "
        "got some that are not",
        loss("-real.sigmoid().log() - (1 - fake.sigmoid()).log()"),
    ),
    "D is driven backwards": Broken(
        "loss",
        "d(): expected D to gain when the logit of a real image rises, got slope 0.378 at -0.5",
        loss("torch.nn.functional.softplus(real) + torch.nn.functional.softplus(fake)"),
    ),
    "G is driven backwards": Broken(
        "loss",
        "g(): expected G to gain when the logit of a generated image rises, got slope 1 at -0.5",
        loss("fake - real", "fake"),
    ),
    # ----------------------------------------------------------------- augmentations
    "another size": Broken(
        "augmentation",
        "augment(): expected shape (1, 1, 16, 16) for 1 image of 1 x 16 x 16, "
        "got shape (1, 1, 8, 8)",
        augmentation("x[:, :, ::2, ::2]"),
    ),
    "no gradient through it": Broken(
        "augmentation",
        "augment(): expected a gradient at its input, got nothing",
        augmentation("x.detach() * step.rand(len(x), 1, 1, 1)"),
    ),
    "random change of its own": Broken(
        "augmentation",
        "augment(): expected the same output from the same seed, got a difference of 1",
        augmentation("x + next(COUNT)", "import itertools\n\nCOUNT = itertools.count()\n\n"),
    ),
    # ---------------------------------------------------------------------- networks
    "images out of range": Broken(
        "generator",
        "forward(): expected images about [-1, 1], got 255",
        generator(out="(255 + 0 * self.last(h))"),
    ),
    "images of another size": Broken(
        "generator",
        "forward(): expected shape (2, 1, 16, 16) for 2 images of 1 x 16 x 16, 10 classes, "
        "got shape (2, 1, 4, 64)",
        generator().replace("(spec.channels, 16, 16)", "(spec.channels, 4, 64)"),
    ),
    "generator that ignores labels": Broken(
        "generator",
        "build(): expected another output for other labels, got the same",
        generator(
            w="latents.w * torch.cat([torch.ones(16), torch.zeros(latents.w.shape[1] - 16)])"
        ),
    ),
    "layer that is not used": Broken(
        "generator",
        "build(): expected a gradient at the parameter 'unused.weight', got nothing",
        generator(init="self.unused = nn.Linear(2, 2, bias=False)"),
    ),
    "features that are no rows": Broken(
        "discriminator",
        "features(): expected features of shape (2, F) for 2 images of 1 x 16 x 16, 10 classes, "
        "got shape (2, 1, 64)",
        DISCRIMINATOR.format(outputs=1, after="[:, None]"),
    ),
    "two logits": Broken(
        "discriminator",
        "forward(): expected no error for 2 images of 1 x 16 x 16, 10 classes, got PluginError: "
        "the head of 'the discriminator' must give one logit per image: expected shape (2,) or "
        "(2, 1), got (2, 2)",
        DISCRIMINATOR.format(outputs=2, after=""),
    ),
    # ------------------------------------------------------------- metrics, extractors
    "value of another name": Broken(
        "metric",
        "compute(): expected 'part' as the first value, got other",
        metric('{"other": 1.0}'),
    ),
    "value that is no number": Broken(
        "metric",
        "compute()['part']: expected a finite number, got nan",
        metric('{"part": float("nan")}'),
    ),
    "metric_input that is changed": Broken(
        "metric",
        "compute(): expected metric_input that is as it was, got it changed",
        metric('{"part": 1.0}', "fake.features.mul_(2)"),
    ),
    "values that differ": Broken(
        "metric",
        "compute(): expected the same values twice, got {'part': 1.0}, {'part': 2.0}",
        "import itertools\n\nCOUNT = itertools.count()\n\n\n"
        + metric('{"part": float(next(COUNT))}'),
    ),
    "extractor in training mode": Broken(
        "extractor",
        "load(): expected a network in eval mode, got one in training mode",
        EXTRACTOR.format(mode="", out="h"),
    ),
    "features of the batch": Broken(
        "extractor",
        "forward(): expected the same features in batches of 2 and 3 as in one of 5, got a "
        "difference of 1",
        EXTRACTOR.format(mode=".eval()", out="h * 0 + (len(h) == 5)"),
    ),
    # ------------------------------------------------------------- datasets, callbacks
    "images of another type": Broken(
        "dataset",
        "read('train'): expected no error, got DataError: part: images must be uint8, from 0 to "
        "255; these are float64",
        dataset(f"{BLACK} / 255"),
    ),
    "images that change": Broken(
        "dataset",
        "read('train'): expected the same images when read again, got others",
        dataset("RANDOM.integers(0, 255, (8, 16, 16)).astype(np.uint8)"),
    ),
    "other classes in the test split": Broken(
        "dataset",
        "read(): expected the same class names in both splits, got [('a', 'train'), ('a', 'test')]",
        dataset(BLACK, names='("a", split)'),
    ),
    "callback that raises": Broken(
        "callback",
        "on_log(): expected no error, got KeyError: 'missing' (line 14)",
        'class Part(Callback):\n    """A watcher."""\n\n    name = "part"\n\n'
        "    def on_log(self, run, records):\n        records[0]['missing']\n",
    ),
}
