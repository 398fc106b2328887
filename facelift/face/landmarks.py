"""MediaPipe's landmarks by what they mark, as indices; left and right are the subject's."""

from __future__ import annotations

COUNT = 468  # without the irises
LIP_UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)  # from the right corner of the mouth to the left
LIP_LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
LIPS_INNER = tuple(dict.fromkeys(LIP_UPPER_INNER + LIP_LOWER_INNER))
LID_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263), (33, 246, 161, 160, 159, 158, 157, 173, 133)  # by growing x: left eye, right eye
LID_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263), (33, 7, 163, 144, 145, 153, 154, 155, 133)
EYES = tuple(tuple(dict.fromkeys(u + l)) for u, l in zip(LID_UPPER, LID_LOWER, strict=True))
BELOW_EYE = (347, 348, 349, 449, 450), (118, 119, 120, 229, 230)  # skin between the lower lid and the cheek
OUTLINE = (234, 454, 127, 356, 93, 323, 152, 148, 377, 172, 397, 136, 365)  # slide along the contour
