# Says whether the installed version serves a find_package(radam VERSION). Before 1.0 a minor version may break
# compatibility, so it must be the same.

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../pkgconfig/radam.pc" PACKAGE_VERSION REGEX "^Version: ")
string(REPLACE "Version: " "" PACKAGE_VERSION "${PACKAGE_VERSION}")
if(PACKAGE_VERSION MATCHES "^([0-9]+\\.[0-9]+)\\." AND
    "${PACKAGE_FIND_VERSION_MAJOR}.${PACKAGE_FIND_VERSION_MINOR}" STREQUAL CMAKE_MATCH_1 AND
    PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
