"""The acoustic model a second time, from its equations: slow, plain, sharing no code.

One utterance at a time, unpadded, one cell step after another; autograd does the rest. Only weights
and settings are read from the modules under test. Cuts are listed by hand. `cuts` holds steps in a
direction's reading order. At each step's start the carried state is detached.

    T frames, F features of a frame, H units of a direction, V tokens
"""

import torch


def cuts_every(segment, frames, offset=0):
    """Cuts of segments of `segment` frames.

    The first segment begins at the first frame read and is `offset` shorter.
    """
    return set(range(segment - offset, frames, segment))


def rnn_step(frame, state, w_ih, w_hh, b_ih, b_hh):
    """h' = tanh(W x + b + U h + c) (Elman 1990)."""
    (h,) = state
    return (torch.tanh(w_ih @ frame + b_ih + w_hh @ h + b_hh),)


def gru_step(frame, state, w_ih, w_hh, b_ih, b_hh):
    """Cho et al. 2014, with gates r, z, n.

    The reset gate comes after the recurrent product, as in cuDNN and PyTorch.
    """
    (h,) = state
    x_r, x_z, x_n = (w_ih @ frame + b_ih).chunk(3)
    h_r, h_z, h_n = (w_hh @ h + b_hh).chunk(3)
    reset, update = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    candidate = torch.tanh(x_n + reset * h_n)
    return ((1 - update) * candidate + update * h,)


def lstm_step(frame, state, w_ih, w_hh, b_ih, b_hh):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; gates i, f, g, o."""
    h, c = state
    i, f, g, o = (w_ih @ frame + b_ih + w_hh @ h + b_hh).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def direction(rnn, frames, cuts):
    """(T, F), in reading order -> (T, H)."""
    step = STEPS[type(rnn).__name__]
    weights = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0)
    state = tuple(frames.new_zeros(rnn.hidden_size) for _ in range(2 if step is lstm_step else 1))
    outputs = []
    for position, frame in enumerate(frames):
        if position in cuts:
            state = tuple(part.detach() for part in state)
        state = step(frame, state, *weights)
        outputs.append(state[0])
    return torch.stack(outputs)


def recurrent(layer, frames, cuts):
    """(T, F) -> (T, H), or (T, 2 H) for two directions side by side.

    The backward one reads from the last frame.
    """
    forwards = direction(layer.rnns[0], frames, cuts)
    if len(layer.rnns) == 1:
        return forwards
    backwards = direction(layer.rnns[1], frames.flip(0), cuts).flip(0)
    return forwards + backwards if layer.merge == "sum" else torch.cat([forwards, backwards], dim=1)


def norm(module, frames):
    """Layer norm (Ba et al. 2016, equation 4), where the model has one."""
    if not isinstance(module, torch.nn.LayerNorm):
        return frames
    centred = frames - frames.mean(dim=1, keepdim=True)
    variance = centred.square().mean(dim=1, keepdim=True)
    return centred / (variance + module.eps).sqrt() * module.weight + module.bias


def linear(module, frames):
    return frames @ module.weight.T + module.bias


def subsample(module, log_mel):
    """(T, F) -> (ceil(T / factor), D): each convolution as a sum over its nine taps."""
    hidden = log_mel[None]  # (C, T, F)
    for convolution in module.convolutions:
        stride_t, stride_f = convolution.stride
        _, frames, bins = hidden.shape
        bordered = torch.nn.functional.pad(hidden, (1, 1, 1, 1))
        taps = (
            torch.einsum(
                "oc,ctf->otf",
                convolution.weight[:, :, t, f],
                bordered[:, t : t + frames : stride_t, f : f + bins : stride_f],
            )
            for t in range(3)
            for f in range(3)
        )
        hidden = (sum(taps) + convolution.bias[:, None, None]).clamp(min=0)
    return linear(module.linear, hidden.transpose(0, 1).flatten(1))


def log_probs(model, log_mel, cuts=()):
    """(T, F) -> (ceil(T / factor), V), without dropout.

    Every layer and direction is cut at `cuts`.
    """
    hidden = subsample(model.subsample, log_mel)
    for block in model.layers:
        output = recurrent(block.recurrent, norm(block.recurrent.norm, hidden), cuts)
        if model.config.projection:
            output = linear(block.project, output)
        hidden = hidden + output if model.config.residual and output.shape == hidden.shape else output
    logits = linear(model.output, norm(model.norm, hidden))
    return logits - logits.logsumexp(dim=1, keepdim=True)
